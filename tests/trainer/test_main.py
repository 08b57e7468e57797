"""The command line: what it accepts, how it ends, and what the website knows of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from trainer.__main__ import main
from trainer.config import STAGES, PpoConfig, presets, schemas
from trainer.intervals import ratio_interval
from trainer.optimizer import cosine_lr, warmup_lr

ROOT = Path(__file__).parents[2]


def rankings(path: Path, count: int = 40) -> Path:
    row = {
        "prompt": [{"role": "user", "content": "Which?"}],
        "completions": [{"text": "short"}, {"text": "a longer one"}],
        "ranks": [1, 2],
    }
    rows = [{"id": str(i), **row} for i in range(count)]
    for i, line in enumerate(rows):
        line["prompt"] = [{"role": "user", "content": f"Which of {i}?"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in rows))
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line that says what was wrong."""
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_the_websites_schemas_are_the_trainers() -> None:
    committed = json.loads((ROOT / "annotate/stages.json").read_text())
    assert committed == json.loads(json.dumps(schemas())), (
        "run: python -m trainer schema > annotate/stages.json"
    )


def test_every_field_says_what_it_is_and_every_preset_is_valid() -> None:
    for stage, config in STAGES.items():
        assert all(field.description for field in config.model_fields.values()), stage
        assert presets(stage)["paper"] == config().model_dump()
        config.model_validate(presets(stage)["small"])


def test_the_papers_values() -> None:
    ppo = PpoConfig()
    assert (ppo.kl_coef, ppo.ptx_coef, ppo.batch_size, ppo.minibatches) == (0.02, 27.8, 512, 8)
    assert ppo.steps * ppo.batch_size == 256_000
    reward, sft, start = presets("reward")["paper"], presets("sft")["paper"], presets("sft")["ppo_start"]
    assert (reward["lr"], reward["epochs"], reward["batch_size"], reward["ties"]) == (9e-6, 1, 64, "drop")
    assert (sft["epochs"], sft["lr"], sft["residual_dropout"], sft["lr_floor"]) == (16, 9.65e-6, 0.2, 0.1)
    assert (start["epochs"], start["lr"], start["pretraining_fraction"]) == (2, 5e-6, 0.1)
    with pytest.raises(ValidationError):
        PpoConfig(cliprange=0)


def test_a_bad_config_names_its_field(capsys, tmp_path: Path) -> None:
    stage = ["reward", "--policy", "p", "--rankings", "r", "--out", str(tmp_path / "rm")]
    assert "config field lr:" in refused(capsys, *stage, "--set", "lr=7")
    assert "config field learning_rate:" in refused(capsys, *stage, "--set", "learning_rate=1")
    assert "FIELD=VALUE" in refused(capsys, *stage, "--set", "lr")
    (tmp_path / "c.json").write_text("[1]")
    assert "one JSON object" in refused(capsys, *stage, "--config", str(tmp_path / "c.json"))


def test_a_bad_line_or_folder_is_named_and_nothing_is_written(
    capsys, tiny_policy: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.jsonl").write_text("{}\n")
    files = ["--rankings", str(tmp_path / "r.jsonl"), "--out", str(tmp_path / "rm")]
    message = refused(capsys, "reward", "--policy", str(tiny_policy), *files)
    assert "r.jsonl line 1: missing completions, id, prompt, ranks" in message
    message = refused(capsys, "reward", "--policy", str(tmp_path / "none"), *files)
    assert "none" in message
    assert not (tmp_path / "rm").exists()


@contextmanager
def running(tiny_policy: Path, folder: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a reward run long enough to be stopped; yield once it took a step."""
    command = [sys.executable, "-m", "trainer", "reward", "--policy", str(tiny_policy)]
    command += ["--rankings", str(rankings(folder / "r.jsonl")), "--out", str(folder / "rm")]
    command += ["--set", "epochs=100", "--set", "batch_size=1", *more]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        assert any(line.startswith(b"step 1 of") for line in process.stderr)
        yield process
    finally:
        process.kill()


def test_sigterm_ends_a_stage_and_leaves_no_checkpoint(tiny_policy, tmp_path: Path) -> None:
    with running(tiny_policy, tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=180)
    assert process.returncode == 143
    assert not (tmp_path / "rm").exists() and (tmp_path / "rm.partial").is_dir()


def test_a_stage_ends_with_the_process_that_holds_its_input(tiny_policy, tmp_path: Path) -> None:
    with running(tiny_policy, tmp_path, "--exit-with-parent") as process:
        assert process.poll() is None
        process.communicate(timeout=180)  # closes its standard input, then waits
    assert process.returncode == 143


def test_the_cosine_ends_at_a_tenth_and_the_warmup_begins_there() -> None:
    assert cosine_lr(1.0, 1, 11, 0.1) == 1.0
    assert cosine_lr(1.0, 6, 11, 0.1) == pytest.approx(0.55)
    assert cosine_lr(1.0, 11, 11, 0.1) == pytest.approx(0.1)
    assert [warmup_lr(1.0, step, 10) for step in (1, 11)] == [0.1, 1.0]
    assert warmup_lr(1.0, 1, 0) == 1.0


def test_the_interval_covers_its_ratio_and_is_as_wide_as_theory_says() -> None:
    # 400 independent coins: half-width 1.96 * sqrt(.25 / 400) = .049
    parts = [i % 2 for i in range(400)]
    low, high = ratio_interval(parts, [1] * 400)
    assert low == pytest.approx(0.451, abs=0.01) and high == pytest.approx(0.549, abs=0.01)
    clustered_low, clustered_high = ratio_interval([10 * p for p in parts[:40]], [10] * 40)
    assert clustered_high - clustered_low > 0.25, "40 prompts of ten are not 400 comparisons"
