"""Sampling to a file, and held-out prompts with their scores."""

import json
from pathlib import Path

import pytest
import torch

from trainer.config import EvaluateConfig, SampleConfig
from trainer.data import BadInput
from trainer.engine import Engine
from trainer.evaluate import evaluate, sample
from trainer.reward_model import load_reward_model, scores_of
from trainer.tokens import collate

LIMITS = {"max_prompt_tokens": 60, "max_completion_tokens": 12, "engine": "transformers"}


@pytest.fixture(autouse=True)
def _engine_at_hand(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample with the engine that runs already: it holds the tiny policy."""
    monkeypatch.setattr(tiny_engine, "close", lambda: None)
    monkeypatch.setattr("trainer.evaluate.start_engine", lambda *_, **__: tiny_engine)


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    rows = [
        {"id": f"p{i}", "prompt": [{"role": "user", "content": f"Question {i}"}], "split": split}
        for i, split in enumerate(["train", "valid", "valid", "test"])
    ]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "prompts.jsonl"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_sample_writes_k_completions_a_prompt(tiny_policy: Path, prompts: Path, tmp_path: Path) -> None:
    sample(SampleConfig(k=3, **LIMITS), policy=tiny_policy, prompts=prompts, out=tmp_path / "out.jsonl")
    found = lines(tmp_path / "out.jsonl")
    assert [(line["id"], line["index"]) for line in found] == [
        (f"p{i}", index) for i in range(4) for index in range(3)
    ]
    assert [line["seed"] for line in found] == list(range(12))
    assert set(found[0]) == {"id", "prompt", "index", "seed", "completion", "tokens", "finish_reason"}


def test_evaluate_scores_held_out_prompts(
    tiny_policy: Path, tiny_reward_model: Path, prompts: Path, tmp_path: Path
) -> None:
    config, out = EvaluateConfig(k=2, **LIMITS), tmp_path / "out"
    evaluate(config, policy=tiny_policy, prompts=prompts, reward_model=tiny_reward_model, out=out)
    facts = json.loads((out / "podium.json").read_text())
    found, result = lines(out / "samples.jsonl"), facts["result"]
    assert facts["kind"] == "evaluation"
    assert [line["id"] for line in found] == ["p1", "p1", "p2", "p2", "p3", "p3"]
    assert result["score"] == pytest.approx(sum(line["score"] for line in found) / 6)
    assert result["length"] == sum(line["tokens"] for line in found) / 6
    assert result["score_low"] <= result["score"] <= result["score_high"]
    assert (result["prompts"], result["completions"], result["held_out"]) == (3, 6, "split")


def test_a_score_is_the_reward_models(tiny_reward_model: Path) -> None:
    judge = load_reward_model(tiny_reward_model)
    pairs = [([40, 41], [50, 1]), ([60] * 9, [70, 71, 72, 1]), ([40], [1])]
    found = scores_of(judge, pairs, 0, micro_batch_tokens=16, dtype="float32").tolist()
    with torch.no_grad():
        alone = [judge.scores(collate([pair], 0)).item() for pair in pairs]
    assert found == pytest.approx(alone, abs=1e-5)


def test_an_existing_file_is_kept(tiny_policy: Path, prompts: Path) -> None:
    with pytest.raises(BadInput, match="exists already"):
        sample(SampleConfig(**LIMITS), policy=tiny_policy, prompts=prompts, out=prompts)
