"""Each stage as two processes over gloo, its weights in shares: the figures and weights of one process."""

import json
import multiprocessing
import os
import socket
from collections.abc import Callable
from pathlib import Path

import accelerate  # noqa: F401  (imported once here, not in each process below)
import pytest
import torch
from safetensors.torch import load_file

from trainer import many, resume
from trainer.config import PpoConfig, RewardConfig, SftConfig
from trainer.data import BadInput
from trainer.engine import Engine
from trainer.ppo import train_ppo
from trainer.reward import train_reward
from trainer.sft import train_sft

Stage = Callable[[Path], None]
COMMON = {"max_prompt_tokens": 60, "max_completion_tokens": 12, "micro_batch_tokens": 70, "adam_eps": 1e-3}
"""Adam's epsilon is large, else a gradient that is nothing but rounding moves a weight by the whole rate."""


@pytest.fixture
def stages(tiny_policy: Path, tiny_reward_model: Path, tmp_path: Path) -> dict[str, Stage]:
    """Return each stage, with batches of several micro-batches that do not come out even."""
    asked = [
        {"id": str(i), "prompt": [{"role": "user", "content": "why " * (i + 1)}], "split": "train"}
        for i in range(6)
    ]
    told = {"completions": [{"text": word} for word in ("yes", "no", "perhaps")], "ranks": [1, 2, 3]}
    looked_at = [asked[i] | {"split": "valid"} for i in (0, 3)]
    files = {"prompts": asked + looked_at, "rankings": [row | told for row in asked]}
    files["demonstrations"] = [row | {"completion": "yes " * len(row["id"])} for row in asked]
    for name, rows in files.items():
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "texts.txt").write_text("\n\n".join(f"some text, number {i}" for i in range(20)))
    learned = COMMON | {"batch_size": 5, "lr": 1e-3, "epochs": 2, "save_every": 1}
    sft = SftConfig(**learned, residual_dropout=0, gradient_checkpointing=True)
    ppo = PpoConfig(
        **COMMON, steps=2, batch_size=6, minibatches=2, ptx_ratio=1, policy_lr=1e-3, value_lr=1e-3,
        ema_decay=0.5, save_every=1, engine="transformers", lora_rank=2,
    )  # fmt: skip
    kept = {"policy": tiny_policy, "pretraining": tmp_path / "texts.txt"}
    shown = tmp_path / "demonstrations"
    return {
        "sft": lambda out: train_sft(sft, **kept, demonstrations=shown, out=out),
        "reward": lambda out: train_reward(
            RewardConfig(**learned),
            policy=tiny_policy,
            rankings=tmp_path / "rankings",
            demonstrations=shown,
            out=out,
        ),
        "ppo": lambda out: train_ppo(
            ppo,
            **kept,
            reward_model=tiny_reward_model,
            second_judge=tiny_reward_model,
            prompts=tmp_path / "prompts",
            out=out,
        ),
    }


def start(name: str, stage: Stage, out: Path) -> None:
    """Run a stage as two forked processes that find each other as a launcher would have them do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=take_part, args=(name, stage, out, place, rank)) for rank in "01"]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]


def take_part(name: str, stage: Stage, out: Path, place: dict[str, str], rank: str) -> None:
    os.environ.update(place, RANK=rank, LOCAL_RANK=rank)
    with many.together(name):
        stage(out)


def figures(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    told = (
        "loss",
        "grad_norm",
        "train_accuracy",
        "policy_grad_norm",
        "value_grad_norm",
        "kl",
        "ptx_loss",
        "score",
        "valid_kl",
        "valid_second_score",
    )
    return [{name: line[name] for name in told if name in line} for line in lines]


@pytest.mark.checklist(7, 32)
@pytest.mark.parametrize("name", ["sft", "reward", "ppo"])
def test_two_processes_learn_what_one_does(
    name: str, stages: dict[str, Stage], tmp_path: Path, engine_at_hand: Engine
) -> None:
    stages[name](tmp_path / "one")
    start(name, stages[name], tmp_path / "two")
    for one, two in zip(figures(tmp_path / "one"), figures(tmp_path / "two"), strict=True):
        assert two == pytest.approx(one, rel=1e-4, abs=1e-6)
    for file in (tmp_path / "one").glob("*.safetensors"):
        one, two = load_file(file), load_file(tmp_path / "two" / file.name)
        assert one.keys() == two.keys()
        apart = {key: float((one[key] - two[key]).abs().max()) for key in one}
        assert {key: far for key, far in apart.items() if far > 1e-4} == {}


@pytest.mark.checklist(42)
def test_two_killed_processes_go_on_to_the_very_weights_of_two_that_were_not(
    stages: dict[str, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("sft", stages["sft"], tmp_path / "whole")
    save = resume.save

    def save_and_leave(partial: Path, step: int, **parts: resume.Part) -> None:
        save(partial, step, **parts)
        if step == 2:
            os._exit(0)

    with monkeypatch.context() as patch:
        patch.setattr(resume, "save", save_and_leave)
        start("sft", stages["sft"], tmp_path / "cut")
    assert not (tmp_path / "cut").exists()
    start("sft", stages["sft"], tmp_path / "cut")
    whole, cut = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[key], cut[key]) for key in whole)


def test_every_process_takes_equally_many_groups_and_each_counts_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(many, "count", lambda: 3)
    taken = []
    for rank in range(3):
        monkeypatch.setattr(many.dist, "get_rank", lambda rank=rank: rank)
        taken.append(many.shares(["a", "b", "c", "d"]))
    assert taken == [[("a", 1), ("d", 1)], [("b", 1), ("a", 0)], [("c", 1), ("a", 0)]]


def test_what_only_samples_is_refused_as_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadInput, match="evaluate: is done by one process"), many.together("evaluate"):
        pass
