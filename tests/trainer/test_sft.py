"""The SFT stage: completions alone are learned, by the token, and resumed exactly."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer.config import SftConfig
from trainer.data import BadInput, Demonstration
from trainer.dropout import residual_dropout
from trainer.policy import completion_logprobs, load_policy
from trainer.sft import targets_of, train_sft
from trainer.tokens import collate, encode_completion, encode_prompt, load_tokenizer

CONFIG = SftConfig(epochs=2, batch_size=4, lr=3e-3, save_every=2, valid_every=2, residual_dropout=0.0)


@pytest.fixture
def demonstrations(tmp_path: Path) -> Path:
    path = tmp_path / "demonstrations.jsonl"
    rows = [
        {
            "id": f"d{i}",
            "prompt": [{"role": "user", "content": f"Count to {i}."}],
            "completion": "one two three " * (1 + i % 4),
            "split": "valid" if i % 6 == 0 else "train",
        }
        for i in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(policy: Path, demonstrations: Path, out: Path, **changes: object) -> dict:
    judge = changes.pop("reward_model", None)
    config = CONFIG.model_copy(update=changes)
    texts = demonstrations.parent / "texts.txt"
    texts.write_text("Some text.\n\nSome other text.\n\nA third.")
    train_sft(
        config,
        policy=policy,
        demonstrations=demonstrations,
        pretraining=texts if config.pretraining_fraction else None,
        reward_model=judge,
        out=out,
    )
    return load_file(out / "model.safetensors")


@pytest.mark.checklist(8)
def test_micro_batches_change_no_weight(tiny_policy, demonstrations, tmp_path: Path) -> None:
    alone = run(tiny_policy, demonstrations, tmp_path / "a", epochs=1, micro_batch_tokens=16)
    whole = run(tiny_policy, demonstrations, tmp_path / "b", epochs=1, micro_batch_tokens=9999)
    far = max((alone[name] - whole[name]).abs().max().item() for name in whole)
    assert far < 0.1 * CONFIG.lr


@pytest.mark.checklist(1, 8)
def test_the_loss_is_that_of_completion_tokens_alone(tiny_policy, demonstrations, tmp_path: Path) -> None:
    changes = {"batch_size": 99, "epochs": 1, "pretraining_fraction": 0.0}
    run(tiny_policy, demonstrations, tmp_path / "a", **changes)
    logged = json.loads((tmp_path / "a/metrics.jsonl").read_text().splitlines()[0])["loss"]
    policy, tokenizer = load_policy(tiny_policy), load_tokenizer(tiny_policy)
    losses = []
    for row in map(json.loads, demonstrations.read_text().splitlines()):
        if row["split"] == "train":
            prompt = encode_prompt(tokenizer, row["prompt"], 1024)
            completion = encode_completion(tokenizer, row["completion"], 1024)
            ids = torch.tensor([prompt + completion])
            logprobs = torch.log_softmax(policy(input_ids=ids).logits[0], -1)
            at = range(len(prompt) - 1, ids.shape[1] - 1)
            losses += [-logprobs[i, ids[0, i + 1]].item() for i in at]
    assert logged == pytest.approx(sum(losses) / len(losses), abs=1e-4)


def test_it_lowers_the_held_out_loss(tiny_policy, demonstrations, tmp_path: Path) -> None:
    run(tiny_policy, demonstrations, tmp_path / "a", epochs=8, pretraining_fraction=0.0)
    lines = [json.loads(line) for line in (tmp_path / "a/metrics.jsonl").open()]
    result = json.loads((tmp_path / "a/podium.json").read_text())["result"]
    first = next(line["valid_loss"] for line in lines if "valid_loss" in line)
    assert result["valid_loss"] < first - 0.5
    assert result["held_out"] == "split" and result["demonstrations"] == 10


def test_pretraining_text_joins_the_batch(tiny_policy, demonstrations, tmp_path: Path) -> None:
    with_text = run(tiny_policy, demonstrations, tmp_path / "a", pretraining_fraction=0.3)
    without = run(tiny_policy, demonstrations, tmp_path / "b", pretraining_fraction=0.0)
    assert any(not torch.equal(with_text[name], without[name]) for name in without)


def facts(out: Path) -> dict:
    return json.loads((out / "podium.json").read_text())["result"]


def test_every_assistant_turn_can_be_a_target(tiny_policy, demonstrations, tmp_path: Path) -> None:
    roles = ("assistant", "user", "assistant", "user")  # the first turn answers nothing
    talk = tuple({"role": role, "content": f"{role} {at}"} for at, role in enumerate(roles))
    row = Demonstration("d", talk, None, "the end")
    assert targets_of(row, "completion") == [(talk, "the end")]
    assert targets_of(row, "assistant_turns") == [(talk, "the end"), (talk[:2], "assistant 2")]
    line = {"id": "talk", "prompt": list(talk), "completion": "the end", "split": "train"}
    demonstrations.write_text(demonstrations.read_text() + json.dumps(line) + "\n")
    run(tiny_policy, demonstrations, tmp_path / "a", targets="assistant_turns", epochs=1)
    assert (facts(tmp_path / "a")["demonstrations"], facts(tmp_path / "a")["targets"]) == (11, 12)


def test_the_epoch_is_kept_whose_completions_score_best(
    tiny_policy, tiny_reward_model, demonstrations, tmp_path: Path, engine_at_hand, monkeypatch
) -> None:
    seen = []

    def look(_engine, _judge, prompts, *_, **__) -> dict[str, float]:
        seen.append(len(prompts))
        return {"valid_score": [1.0, 3.0, 2.0][len(seen) - 1]}

    monkeypatch.setattr("trainer.selection.sample_and_score", look)
    chosen = {"reward_model": tiny_reward_model, "pretraining_fraction": 0.0}
    kept = run(tiny_policy, demonstrations, tmp_path / "kept", epochs=3, lr_floor=1.0, **chosen)
    second = run(
        tiny_policy, demonstrations, tmp_path / "two", epochs=2, lr_floor=1.0, pretraining_fraction=0.0
    )
    assert all(torch.equal(kept[name], second[name]) for name in kept)
    assert facts(tmp_path / "kept")["selected_epoch"] == 2 and facts(tmp_path / "kept")["valid_score"] == 3
    assert seen == [2, 2, 2] and not (tmp_path / "kept/engine").exists()


def test_selecting_without_held_out_prompts_is_refused(
    tiny_policy, tiny_reward_model, demonstrations, tmp_path: Path
) -> None:
    demonstrations.write_text(demonstrations.read_text().replace('"valid"', '"train"'))
    with pytest.raises(BadInput, match="nothing to select an epoch by"):
        run(tiny_policy, demonstrations, tmp_path / "a", reward_model=tiny_reward_model, valid_fraction=0.0)


@pytest.mark.parametrize("folder", ["tiny_policy", "tiny_gpt2"])
def test_residual_dropout_is_on_in_training_alone(folder: str, request: pytest.FixtureRequest) -> None:
    policy, batch = load_policy(request.getfixturevalue(folder)), collate([([5, 6], [7, 8, 1])], 0)
    plain = completion_logprobs(policy, batch)[0]
    with residual_dropout(policy.base_model, 0.5):
        assert not torch.equal(completion_logprobs(policy, batch)[0], completion_logprobs(policy, batch)[0])
    assert torch.equal(completion_logprobs(policy, batch)[0], plain)


def test_a_file_with_nothing_to_train_on_is_refused(tiny_policy, demonstrations, tmp_path: Path) -> None:
    demonstrations.write_text(demonstrations.read_text().replace('"train"', '"test"'))
    with pytest.raises(BadInput, match="no demonstration to train on"):
        run(tiny_policy, demonstrations, tmp_path / "a")
