"""The SFT stage: completions alone are learned, by the token, and resumed exactly."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer.config import SftConfig
from trainer.data import BadInput
from trainer.policy import load_policy
from trainer.sft import train_sft
from trainer.tokens import encode_completion, encode_prompt, load_tokenizer

CONFIG = SftConfig(epochs=2, batch_size=4, lr=3e-3, save_every=2, valid_every=2)


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
    config = CONFIG.model_copy(update=changes)
    texts = demonstrations.parent / "texts.txt"
    texts.write_text("Some text.\n\nSome other text.\n\nA third.")
    train_sft(
        config,
        policy=policy,
        demonstrations=demonstrations,
        pretraining=texts if config.pretraining_fraction else None,
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


def test_a_file_with_nothing_to_train_on_is_refused(tiny_policy, demonstrations, tmp_path: Path) -> None:
    demonstrations.write_text(demonstrations.read_text().replace('"train"', '"test"'))
    with pytest.raises(BadInput, match="no demonstration to train on"):
        run(tiny_policy, demonstrations, tmp_path / "a")
