"""The way to the engine's process, with transformers behind it; test_vllm.py holds vLLM to the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from trainer.engine import (
    Engine,
    EngineDied,
    EngineError,
    Refused,
    Request,
    Sampled,
    Sampling,
    choose_engine,
    start_engine,
)
from trainer.engine_transformers import TransformersBackend
from trainer.policy import completion_logprobs, load_policy, next_logprobs, save_policy
from trainer.tokens import collate, load_tokenizer

EOS = 1
PROMPT, LONGER = list(range(40, 50)), list(range(60, 85))


def draw(engine: Engine, *requests: Request, temperature: float = 1.0) -> dict[tuple[int, int], Sampled]:
    answers = engine.sample(requests, Sampling(12, temperature))
    return {(answer.request, answer.index): answer for answer in answers if isinstance(answer, Sampled)}


def trainer_logprobs(policy_dir: Path, prompt: list[int], completion: list[int], t: float) -> list[float]:
    with torch.no_grad():
        logprobs, _ = completion_logprobs(load_policy(policy_dir), collate([(prompt, completion)], 0), t)
    return logprobs[0].tolist()


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]


def test_the_same_seed_gives_the_same_completion_in_any_company(tiny_engine: Engine) -> None:
    alone = draw(tiny_engine, Request(PROMPT, [7]))[0, 0]
    among = draw(tiny_engine, Request(LONGER, [1, 2]), Request(PROMPT, [3, 7]))[1, 1]
    assert among.token_ids == alone.token_ids
    assert among.logprobs == pytest.approx(alone.logprobs, abs=1e-5)
    assert among.seed == 7


def test_other_seeds_give_other_completions(tiny_engine: Engine) -> None:
    drawn = draw(tiny_engine, Request(PROMPT, list(range(8))))
    assert len({tuple(answer.token_ids) for answer in drawn.values()}) == 8


def test_more_completions_than_a_batch_holds_all_come(tiny_engine: Engine) -> None:
    drawn = draw(tiny_engine, Request(PROMPT, list(range(30))), Request(LONGER, list(range(30))))
    assert sorted(drawn) == [(request, index) for request in (0, 1) for index in range(30)]


@pytest.mark.checklist(5)
def test_positions_start_at_a_prompts_first_token_whatever_padding_stands_before_it(tiny_gpt2: Path) -> None:
    # Llama's rotary positions forgive a shift; GPT-2's learned ones do not.
    backend = TransformersBackend(tiny_gpt2, "float32")
    requests = [Request(PROMPT, [7]), Request(LONGER, [1, 2])]
    (drawn,) = (answer for answer in backend.sample(requests, Sampling(12)) if answer["request"] == 0)
    expected = trainer_logprobs(tiny_gpt2, PROMPT, drawn["token_ids"], 1.0)
    assert drawn["logprobs"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.checklist(19)
def test_logprobs_of_a_sample_are_the_trainers(tiny_engine: Engine, tiny_policy: Path) -> None:
    drawn = draw(tiny_engine, Request(PROMPT, [1]), temperature=0.7)[0, 0]
    expected = trainer_logprobs(tiny_policy, PROMPT, drawn.token_ids, 0.7)
    assert drawn.logprobs == pytest.approx(expected, abs=1e-4)
    for place, (token, logprob) in enumerate(zip(drawn.token_ids, expected, strict=True)):
        again = tiny_engine.next_logprobs([PROMPT, PROMPT + drawn.token_ids[:place]], [9, token], 0.7)
        assert again[1][1] == pytest.approx(logprob, abs=1e-4)


@pytest.mark.checklist(18)
def test_it_samples_the_whole_distribution(tiny_engine: Engine, tiny_policy: Path) -> None:
    # 400 first tokens of one prompt: the mean of -logprob is the entropy, within 4 standard errors.
    answers = tiny_engine.sample([Request(PROMPT, list(range(400)))], Sampling(1))
    surprises = torch.tensor([-answer.logprobs[0] for answer in answers])
    with torch.no_grad():
        _, entropy = completion_logprobs(load_policy(tiny_policy), collate([(PROMPT, [EOS])], 0))
    assert abs(surprises.mean() - entropy[0, 0]) < 4 * surprises.std() / 20


@pytest.mark.checklist(20)
def test_a_completion_ends_with_its_first_eos(tiny_engine: Engine) -> None:
    drawn = draw(tiny_engine, Request(PROMPT, list(range(200))))
    for answer in drawn.values():
        assert (EOS in answer.token_ids) == (answer.finish_reason == "stop")
        assert EOS not in answer.token_ids[:-1]
        assert len(answer.token_ids) == 12 or answer.finish_reason == "stop"
    assert {answer.finish_reason for answer in drawn.values()} == {"stop", "length"}


def test_a_prompt_too_long_is_refused_and_the_others_go_on(tiny_engine: Engine) -> None:
    requests = [Request([5] * 117, [1]), Request(PROMPT, [1, 2]), Request([], [1])]
    answers = list(tiny_engine.sample(requests, Sampling(12)))
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert [(answer.request, answer.kind) for answer in refused] == [
        (0, "prompt_too_long"),
        (2, "empty_prompt"),
    ]
    assert "117 tokens" in refused[0].reason
    assert "at most 116" in refused[0].reason
    assert sum(isinstance(answer, Sampled) for answer in answers) == 2


def test_a_sync_swaps_the_weights_in_place(tiny_engine: Engine, tiny_policy: Path, tmp_path: Path) -> None:
    policy = load_policy(tiny_policy)
    with torch.no_grad():
        policy.get_output_embeddings().weight.mul_(1.5)
    save_policy(policy, load_tokenizer(tiny_policy), tmp_path / "new")
    before, pid = tiny_engine.next_logprobs([PROMPT], [50, 51], 1.0), tiny_engine._process.pid
    tiny_engine.sync(tmp_path / "new")
    after = tiny_engine.next_logprobs([PROMPT], [50, 51], 1.0)
    tiny_engine.sync(tiny_policy)
    expected = next_logprobs(load_policy(tmp_path / "new"), [PROMPT], [50, 51], 1.0)[0].tolist()
    assert after[0] == pytest.approx(expected[0], abs=1e-4)
    assert tiny_engine.next_logprobs([PROMPT], [50, 51], 1.0) == before != after
    assert tiny_engine._process.pid == pid


def test_a_folder_that_cannot_be_loaded_is_an_error_and_the_engine_lives(
    tiny_engine: Engine, tiny_policy: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_bytes((tiny_policy / "config.json").read_bytes())
    with pytest.raises(EngineError, match="could not be loaded"):
        tiny_engine.sync(tmp_path)
    assert tiny_engine.policy_dir == tiny_policy
    assert draw(tiny_engine, Request(PROMPT, [1]))


def test_leaving_early_ends_the_work_and_the_engine_can_be_asked_again(tiny_engine: Engine) -> None:
    answers = tiny_engine.sample([Request(PROMPT, list(range(64)))], Sampling(12))
    next(answers)
    pid = tiny_engine._process.pid
    answers.close()
    assert not is_alive(pid)
    assert len(draw(tiny_engine, Request(PROMPT, [1, 2]))) == 2


def test_a_killed_engine_is_told_and_leaves_nothing(tiny_policy: Path) -> None:
    with start_engine(tiny_policy, engine="transformers", max_model_len=64) as engine:
        os.kill(engine._process.pid, signal.SIGKILL)
        with pytest.raises(EngineDied, match="ended with status -9"):
            draw(engine, Request(PROMPT, [1]))


def test_the_engine_ends_with_its_parent(tiny_policy: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from trainer.engine import start_engine;"
        "engine = start_engine(Path(sys.argv[1]), engine='transformers', max_model_len=64);"
        "print(engine._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", code, str(tiny_policy)]
    # Not stderr: an engine that lives on would hold it open, and the test would wait instead of fail.
    parent = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    pid = int(parent.stdout)
    deadline = time.monotonic() + 60
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


def test_more_tokens_than_the_policy_holds_are_refused_at_the_start(tiny_policy: Path) -> None:
    with pytest.raises(EngineError, match="600 tokens together.*holds 512"):
        start_engine(tiny_policy, engine="transformers", max_model_len=600)


def test_a_folder_without_a_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no config.json"):
        start_engine(tmp_path, max_model_len=64)


def test_without_vllm_it_says_why_it_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert choose_engine() == ("transformers", "vLLM is not installed")


def test_when_vllm_does_not_start_it_falls_back_and_says_so(tiny_policy: Path, tmp_path: Path) -> None:
    # An architecture that vLLM does not know, and transformers does.
    broken = tmp_path / "policy"
    broken.mkdir()
    for file in tiny_policy.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"architectures": ["NoSuchModel"]}))
    with start_engine(broken, engine="auto", max_model_len=64) as engine:
        assert engine.description["engine"] == "transformers"
        assert engine.description["reason"]
