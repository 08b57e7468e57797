"""A checkpoint is there whole or not at all, and says what is missing."""

import json
import multiprocessing
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import make_policy
from trainer import checkpoints
from trainer.data import BadInput
from trainer.metrics import MetricsLog
from trainer.optimizer import make_optimizer, optimizer_tensors, restore_optimizer, take_step


def write(out: Path, lr: float = 1.0, **inputs: Path) -> None:
    with checkpoints.writing(out) as partial:
        checkpoints.begin(partial, "sft", {"lr": lr}, inputs)
        checkpoints.save_state(partial, {}, {"step": 1})
        checkpoints.describe(partial, "policy", {"loss": 1.5})


def test_a_finished_folder_says_what_it_grew_from(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("x")
    write(tmp_path / "out", demonstrations=tmp_path / "rows.jsonl")
    facts = json.loads((tmp_path / "out/podium.json").read_text())
    assert (facts["kind"], facts["stage"], facts["config"]) == ("policy", "sft", {"lr": 1.0})
    assert facts["inputs"]["demonstrations"]["sha256"].startswith("2d711642")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["podium.json"]


def test_an_interrupted_folder_stays_partial(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), checkpoints.writing(tmp_path / "out"):
        raise KeyboardInterrupt
    assert not (tmp_path / "out").exists() and (tmp_path / "out.partial").is_dir()


def test_a_folder_begun_from_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), checkpoints.writing(tmp_path / "out") as partial:
        checkpoints.begin(partial, "sft", {"lr": 2.0}, {})
        raise KeyboardInterrupt
    with pytest.raises(BadInput, match="begun with another config"):
        write(tmp_path / "out", lr=1.0)
    write(tmp_path / "out", lr=2.0)


def test_a_finished_folder_is_not_written_again(tmp_path: Path) -> None:
    write(tmp_path / "out")
    with pytest.raises(BadInput, match="exists already"):
        write(tmp_path / "out")


def hold(out: Path, held: object, done: object) -> None:
    with pytest.raises(AssertionError), checkpoints.writing(out):
        held.set()
        done.wait(30)


def test_two_processes_cannot_write_one_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "out", held, done))
    other.start()
    assert held.wait(30)
    with pytest.raises(BadInput, match="another process"):
        write(tmp_path / "out")
    done.set()
    other.join()
    write(tmp_path / "out")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors"])
def test_an_incomplete_checkpoint_names_what_is_missing(tmp_path: Path, name: str) -> None:
    policy = make_policy(tmp_path / "policy")
    checkpoints.check(policy, "policy")
    (policy / name).unlink()
    with pytest.raises(BadInput, match=f"missing .*{name.removeprefix('model')}"):
        checkpoints.check(policy, "policy")


def test_weights_cut_short_are_refused(tmp_path: Path) -> None:
    weights = make_policy(tmp_path / "policy") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BadInput, match="model.safetensors: damaged"):
        checkpoints.check(tmp_path / "policy", "policy")


def test_a_policy_is_no_reward_model(tiny_policy: Path) -> None:
    with pytest.raises(BadInput, match="missing podium.json, head.safetensors"):
        checkpoints.check(tiny_policy, "reward_model")


def test_an_optimizer_comes_back_bit_for_bit(tmp_path: Path) -> None:
    def steps(weight: torch.nn.Parameter, optimizer: torch.optim.AdamW, count: int) -> None:
        for _ in range(count):
            (weight * torch.randn(3)).sum().backward()
            take_step(optimizer, 0.1, 1.0)

    def fresh() -> tuple[torch.nn.Parameter, torch.optim.AdamW]:
        weight = torch.nn.Parameter(torch.ones(3))
        return weight, make_optimizer([weight], (0.9, 0.95), 1e-8)

    torch.manual_seed(1)
    weight, optimizer = fresh()
    steps(weight, optimizer, 3)
    tensors = {"weight": weight} | optimizer_tensors(optimizer, "adam")
    checkpoints.save_state(tmp_path, tensors, {"step": 3})
    steps(weight, optimizer, 3)
    again, other = fresh()
    stored, facts = checkpoints.load_state(tmp_path)
    again.data.copy_(stored["weight"])
    restore_optimizer(other, stored, "adam")
    steps(again, other, 3)
    assert torch.equal(again, weight) and facts == {"step": 3}


def test_metrics_of_steps_after_the_saved_state_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, 5)
    for step in (1, 2, 3):
        log.write(step, loss=1.0 / step)
    path.write_text(path.read_text() + '{"step": 4, "to')
    resumed = MetricsLog(path, 5, resumed_step=2)
    resumed.write(3, loss=float("nan"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert lines[2] == {"step": 3, "total": 5, "loss": None}
