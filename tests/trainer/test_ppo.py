"""The PPO stage: whole, resumed, stopped, refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer import ppo, weight_sync
from trainer.config import PpoConfig
from trainer.data import BadInput
from trainer.engine import Engine
from trainer.policy import load_policy
from trainer.ppo import train_ppo

CONFIG = PpoConfig(
    max_prompt_tokens=60,
    max_completion_tokens=12,
    batch_size=8,
    minibatches=2,
    steps=4,
    save_every=2,
    samples_every=2,
    warmup_steps=1,
    policy_lr=1e-3,
    value_lr=1e-3,
    ema_decay=0.5,
    ptx_coef=2.0,
    ptx_ratio=1,
    engine="transformers",
)


@pytest.fixture
def files(tmp_path: Path, tiny_policy: Path, tiny_reward_model: Path) -> dict[str, Path]:
    rows = [{"id": f"p{i}", "prompt": [{"role": "user", "content": "word " * (i + 1)}]} for i in range(6)]
    rows.append({"id": "held out", "prompt": rows[0]["prompt"], "split": "valid"})
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "text.txt").write_text("some text\n\nmore text\n\nand more")
    return {
        "policy": tiny_policy,
        "reward_model": tiny_reward_model,
        "prompts": tmp_path / "prompts.jsonl",
        "pretraining": tmp_path / "text.txt",
    }


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_resumed_is_the_run_uninterrupted(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_ppo(CONFIG, **files, out=tmp_path / "whole")
    real_step = ppo.step

    def step_and_die(made: ppo.Ppo, number: int, *, is_first: bool) -> object:
        if number == 4:
            raise KeyboardInterrupt  # after the state of step 2, with step 3 done and lost
        return real_step(made, number, is_first=is_first)

    monkeypatch.setattr(ppo, "step", step_and_die)
    with pytest.raises(KeyboardInterrupt):
        train_ppo(CONFIG, **files, out=tmp_path / "cut")
    assert not (tmp_path / "cut").exists()
    monkeypatch.setattr(ppo, "step", real_step)
    train_ppo(CONFIG, **files, out=tmp_path / "cut")
    check_whole(tmp_path / "whole")
    whole, cut = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    steps = [line["step"] for line in lines(tmp_path / "cut" / "metrics.jsonl") if "kl" in line]
    assert steps == [1, 2, 3, 4]


def check_whole(out: Path) -> None:
    """An uninterrupted run leaves a checkpoint with its figures, and nothing of its scratch."""
    metrics = [line for line in lines(out / "metrics.jsonl") if "kl" in line]
    assert metrics[0]["kl"] == 0
    assert metrics[-1]["kl"] > 0
    assert metrics[0]["sync_difference"] < 1e-4
    facts = json.loads((out / "podium.json").read_text())
    assert facts["kind"] == "policy"
    assert facts["result"]["kl"] == metrics[-1]["kl"]
    assert facts["result"]["engine"]["engine"] == "transformers"
    assert {line["step"] for line in lines(out / "samples.jsonl")} == {1, 2, 4}
    assert not (out / "engine").exists()
    load_policy(out)


@pytest.mark.checklist(41)
def test_it_stops_far_from_the_reference_and_says_why(files: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"max_kl": 1e-4, "ptx_coef": 0.0})
    train_ppo(config, **files | {"pretraining": None}, out=tmp_path / "out")
    result = json.loads((tmp_path / "out" / "podium.json").read_text())["result"]
    assert "passed max_kl 0.0001 at step 2" in result["stopped"]
    assert [line["step"] for line in lines(tmp_path / "out" / "metrics.jsonl")] == [0, 1, 2]


@pytest.mark.checklist(43)
def test_the_probe_finds_an_engine_with_other_weights(tiny_engine: Engine, tiny_policy: Path) -> None:
    policy, prompt = load_policy(tiny_policy), list(range(40, 70))
    assert weight_sync.probe(tiny_engine, policy, prompt, 0.8) < 1e-4
    with torch.no_grad():
        policy.get_output_embeddings().weight.mul_(1.05)
    with pytest.raises(weight_sync.SyncFailed, match="samples from other weights"):
        weight_sync.probe(tiny_engine, policy, prompt, 0.8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ptx_coef": 1.0}, "needs --pretraining FILE"),
        ({"ptx_coef": 0.0, "batch_size": 1}, "minibatches: 2 cannot be cut from a batch_size of 1"),
        ({"ptx_coef": 0.0, "max_prompt_tokens": 600}, "holds 512: lower max_prompt_tokens"),
    ],
)
def test_a_config_that_cannot_work_is_refused(
    files: dict[str, Path], tmp_path: Path, changes: dict[str, float], message: str
) -> None:
    config = CONFIG.model_copy(update=changes)
    with pytest.raises(BadInput, match=message):
        train_ppo(config, **files | {"pretraining": None}, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_prompts_that_are_all_held_out_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    row = {"id": "p", "prompt": [{"role": "user", "content": "word"}], "split": "test"}
    files["prompts"].write_text(json.dumps(row))
    with pytest.raises(BadInput, match="every prompt is held out"):
        train_ppo(CONFIG, **files, out=tmp_path / "out")
