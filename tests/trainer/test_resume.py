"""Each stage, killed with SIGKILL in a process of its own, goes on to the very weights of an unbroken run."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer import resume
from trainer.config import PpoConfig, RewardConfig, SftConfig
from trainer.engine import Engine
from trainer.metrics import MetricsLog
from trainer.ppo import train_ppo
from trainer.reward import train_reward
from trainer.sft import train_sft

Stage = Callable[[Path], None]
SAVED = 2
"""Every stage here saves its state after this step, and is killed in the one after the next."""


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def ask(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Question {number}?"}]


@pytest.fixture
def stages(tiny_policy: Path, tiny_reward_model: Path, tmp_path: Path) -> dict[str, Stage]:
    """Return each stage as a function of the folder it writes, with all that has a state switched on."""
    asked = [{"id": f"p{i}", "prompt": ask(i)} for i in range(6)]
    prompts = write(tmp_path / "prompts.jsonl", asked)
    answers = [
        row | {"completion": "yes " * i, "split": "valid" if i < 3 else "train"}
        for i, row in enumerate(asked, 1)
    ]
    shown = write(tmp_path / "shown.jsonl", answers)
    texts = [{"text": word} for word in ("yes", "no", "perhaps")]
    told = {"completions": texts, "ranks": [1, 2, 3]}
    ranked = write(tmp_path / "ranked.jsonl", [row | told for row in asked])
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"some text, number {i}" for i in range(20)))
    usual = {"save_every": SAVED, "valid_fraction": 0.0, "batch_size": 2, "lr": 1e-3, "epochs": 2}
    # With this seed the first epoch is the better one, so what is kept of it has to outlive the kill.
    sft = SftConfig(seed=1, max_prompt_tokens=60, max_completion_tokens=12, engine="transformers", **usual)
    reward = RewardConfig(**usual)
    ppo = PpoConfig(
        save_every=SAVED,
        steps=5,
        batch_size=4,
        minibatches=2,
        max_prompt_tokens=60,
        max_completion_tokens=12,
        policy_lr=1e-3,
        value_lr=1e-3,
        ema_decay=0.5,
        adaptive_kl_target=1.0,
        ptx_ratio=1,
        engine="transformers",
    )
    kept = {"policy": tiny_policy, "pretraining": text, "reward_model": tiny_reward_model}
    return {
        "sft": lambda out: train_sft(sft, demonstrations=shown, out=out, **kept),
        "reward": lambda out: train_reward(
            reward, policy=tiny_policy, rankings=ranked, demonstrations=shown, out=out
        ),
        "ppo": lambda out: train_ppo(ppo, prompts=prompts, out=out, **kept),
    }


def run_and_be_killed(stage: Stage, out: Path) -> None:
    """Run in a forked child, and die in it as kill -9 would, once the metrics of a step are written."""

    def run() -> None:
        write_line = MetricsLog.write

        def write_and_die(log: MetricsLog, step: int, **metrics: float | str) -> None:
            write_line(log, step, **metrics)
            if step == SAVED + 1:
                os.kill(os.getpid(), signal.SIGKILL)

        MetricsLog.write = write_and_die
        stage(out)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL, "the stage should have lived to its third step"


@pytest.mark.checklist(42)
@pytest.mark.parametrize("name", ["sft", "reward", "ppo"])
def test_a_killed_stage_goes_on_bit_for_bit(
    stages: dict[str, Stage], name: str, tmp_path: Path, engine_at_hand: Engine
) -> None:
    run_and_be_killed(stages[name], tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    assert (tmp_path / "killed.partial/state/state.safetensors").exists()
    stages[name](tmp_path / "killed")
    stages[name](tmp_path / "whole")
    for file in (tmp_path / "whole").glob("*.safetensors"):
        whole, resumed = load_file(file), load_file(tmp_path / "killed" / file.name)
        assert whole.keys() == resumed.keys()
        assert all(torch.equal(whole[key], resumed[key]) for key in whole), file.name
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "whole")
    assert result(tmp_path / "killed") == result(tmp_path / "whole")
    assert result(tmp_path / "whole").get("selected_epoch", 1) == 1
    assert not list(tmp_path.glob("*.partial"))


def result(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "podium.json").read_text())["result"]
    return found


def numbers(out: Path) -> list[dict[str, float]]:
    """Return every step's metrics but for how long it took, and what a new engine has yet to follow."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "phase" not in line]
    left_out = ("seconds", "per_second", "sync_followed")
    return [{key: line[key] for key in line if not any(name in key for name in left_out)} for line in steps]


@pytest.mark.checklist(42)
def test_every_part_of_a_state_comes_back(tmp_path: Path) -> None:
    def parts(seed: int) -> dict[str, resume.Part]:
        torch.manual_seed(seed)
        model = torch.nn.Linear(2, 2)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        model(torch.randn(3, 2)).sum().backward()
        optimizer.step()
        return {"model": model, "optimizer": optimizer, "average": {"weight": torch.randn(2)}}

    saved, other = parts(1), parts(2)
    assert resume.restore(tmp_path, **other) == 0
    resume.save(tmp_path, 7, **saved)
    drawn = torch.rand(1)
    assert resume.restore(tmp_path, **other) == 7
    for name, part in saved.items():
        before, after = resume._tensors(name, part), resume._tensors(name, other[name])
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before), name
    assert torch.equal(torch.rand(1), drawn), "the generator goes on from where it was"
