"""The reward stage: all comparisons of a prompt at once, resumed exactly, centred."""

import json
import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer import checkpoints, judged_scores
from trainer.config import RewardConfig
from trainer.data import BadInput, Demonstration, Ranking, read_rankings
from trainer.judged_scores import plain_scores, shares_prompt
from trainer.rankings import JudgedPrompt, comparisons_of, judged_prompts
from trainer.reward import labeler_groups, train_reward
from trainer.reward_model import load_reward_model, new_reward_model, score_std
from trainer.tokens import load_tokenizer
from trainer.what_learns import freeze_but_last
from trainer.zero_point import centre, zero_point

CONFIG = RewardConfig(batch_size=4, lr=3e-3, save_every=2, valid_every=2, valid_fraction=0.25)
WORDS = ("yes", "no thank you", "perhaps, but not today", "well")


def ranking(number: int) -> dict[str, object]:
    """Return a ranking that prefers the shorter completion, its last two tied."""
    texts = sorted(WORDS, key=lambda word: (len(word) * (number + 3)) % 7)
    order = sorted(texts, key=len)
    return {
        "id": f"r{number}",
        "prompt": [{"role": "user", "content": f"Question {number}?"}],
        "completions": [{"text": text, "policy": "p"} for text in texts],
        "ranks": [min(order.index(text) + 1, 3) for text in texts],
        "demonstration": f"Answer {number}.",
    }


@pytest.fixture
def rankings(tmp_path: Path) -> Path:
    path = tmp_path / "rankings.jsonl"
    path.write_text("".join(json.dumps(ranking(i)) + "\n" for i in range(24)))
    return path


def row(ranks: list[int], *texts: str, prompt: str = "Q") -> Ranking:
    messages = ({"role": "user", "content": prompt},)
    return Ranking("r", messages, None, texts, tuple(ranks), None)


def facts(checkpoint: Path) -> dict[str, object]:
    return json.loads((checkpoint / "podium.json").read_text())["result"]


@pytest.mark.checklist(13)
def test_comparisons_are_all_pairs_but_ties() -> None:
    assert comparisons_of([2, 1, 2], [0, 1, 2]) == [(1, 0), (1, 2)]
    assert comparisons_of([1, 1], [0, 1]) == []
    assert len(comparisons_of(range(1, 10), range(9))) == len(list(combinations(range(9), 2)))


def test_one_prompt_is_one_element_whoever_ranked_it(tiny_policy: Path) -> None:
    rows = [row([1, 2], "a", "b"), row([2, 1], "b", "c"), row([1, 1], "x", "y", prompt="tie")]
    (judged,) = judged_prompts(rows, load_tokenizer(tiny_policy), 100, 100)
    assert len(judged.completions) == 3, "the completion they share is encoded once"
    assert judged.comparisons == [(0, 1), (2, 1)]


@pytest.mark.checklist(3)
def test_completions_that_are_equal_once_cut_give_no_comparison(tiny_policy: Path) -> None:
    rows = [row([1, 2], "same start, one end", "same start, other end")]
    assert judged_prompts(rows, load_tokenizer(tiny_policy), 100, 6) == []


@pytest.mark.checklist(12)
def test_k_completions_are_encoded_k_times(tiny_policy: Path, monkeypatch) -> None:
    model = new_reward_model(tiny_policy, seed=0)
    seen = []
    monkeypatch.setattr(
        model, "scores", lambda batch: seen.append(len(batch.ids)) or torch.zeros(len(batch.ids))
    )
    completions = [[i, 1] for i in range(5, 14)]
    nine = JudgedPrompt([5, 6], completions, comparisons_of(range(9), range(9)))
    plain_scores(model, [nine], 0)
    assert seen == [9], "not 72, two for each of 36 comparisons"


@pytest.mark.checklist(11)
def test_prompts_weigh_the_same_whatever_their_k(tiny_policy: Path, tmp_path: Path) -> None:
    rows = [ranking(1), ranking(2) | {"completions": [{"text": "a"}, {"text": "b"}], "ranks": [1, 2]}]
    (tmp_path / "two.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = {"share_prompt": "never", "valid_fraction": 0.0}
    one_step(tiny_policy, tmp_path / "two.jsonl", tmp_path / "rm", **changes)
    logged = json.loads((tmp_path / "rm/metrics.jsonl").read_text().splitlines()[0])["loss"]
    model = new_reward_model(tiny_policy, seed=0)
    judged = judged_prompts(read_rankings(tmp_path / "two.jsonl"), load_tokenizer(tiny_policy), 1024, 1024)
    losses = []
    for element in judged:  # five comparisons and one, each encoded by itself
        pairs = [[element.completions[place] for place in pair] for pair in element.comparisons]
        scores = [plain_scores(model, [JudgedPrompt(element.prompt, pair, [(0, 1)])], 0)[0] for pair in pairs]
        losses.append(sum(-(s[0] - s[1]).sigmoid().log().item() for s in scores) / len(scores))
    assert logged == pytest.approx(sum(losses) / 2, abs=1e-5)


@pytest.mark.checklist(13)
def test_a_prompt_of_ties_alone_changes_no_weight(tiny_policy: Path, rankings: Path, tmp_path: Path) -> None:
    expected = one_step(tiny_policy, rankings, tmp_path / "a", valid_fraction=0.0)
    tied = ranking(99) | {"ranks": [1, 1, 1, 1]}
    rankings.write_text(rankings.read_text() + json.dumps(tied) + "\n")
    weights = one_step(tiny_policy, rankings, tmp_path / "b", valid_fraction=0.0)
    assert all(torch.equal(expected[name], weights[name]) for name in expected)


def one_step(tiny_policy: Path, rankings: Path, folder: Path, **changes: object) -> dict:
    config = CONFIG.model_copy(update={"batch_size": 32, "save_every": 99, **changes})
    train_reward(config, policy=tiny_policy, rankings=rankings, demonstrations=None, out=folder)
    return load_file(folder / "model.safetensors")


def test_micro_batches_and_sharing_change_no_weight(
    tiny_policy: Path, rankings: Path, tmp_path: Path
) -> None:
    expected = one_step(tiny_policy, rankings, tmp_path / "a", share_prompt="never")
    ways = {"share_prompt": "never", "micro_batch_tokens": 90}, {"share_prompt": "always"}
    for number, way in enumerate(ways):
        weights = one_step(tiny_policy, rankings, tmp_path / str(number), **way)
        # Adam's first step is lr * sign(gradient) where the gradient is not tiny.
        far = max((expected[name] - weights[name]).abs().max().item() for name in expected)
        assert far < 0.1 * CONFIG.lr


@pytest.mark.checklist(16)
def test_it_learns_a_rule_and_says_how_sure_it_is(tiny_policy: Path, rankings: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"epochs": 8})
    train_reward(config, policy=tiny_policy, rankings=rankings, demonstrations=None, out=tmp_path / "rm")
    result = facts(tmp_path / "rm")
    assert result["accuracy"] > 0.9
    assert result["accuracy_low"] <= result["accuracy"] <= result["accuracy_high"]
    assert result["comparisons"] == 5 * result["prompts"] and result["ties"] == result["prompts"]
    assert sum(group["comparisons"] for group in result["by_length"].values()) == result["comparisons"]
    assert result["overfits_from"] is None
    assert result["held_out"] == "hash"
    assert result["score_std"] == score_std(tmp_path / "rm") > 0
    assert not list(tmp_path.glob("rm.partial"))


@pytest.mark.checklist(15)
def test_demonstrations_score_zero_on_average_and_tell_the_unit(tiny_policy: Path) -> None:
    tokenizer, model = load_tokenizer(tiny_policy), new_reward_model(tiny_policy, seed=0)
    rows = [Demonstration("d", row([1, 2], "", "").prompt, None, w) for w in WORDS]
    judged = judged_prompts([row([1, 2, 3, 4], *WORDS)], tokenizer, 1024, 1024)
    before = plain_scores(model, judged, 0)[0].detach()
    centre(model, rows, tokenizer, CONFIG)
    after = plain_scores(model, judged, 0)[0].detach()
    assert abs(after.mean().item()) < 1e-4 < abs(before.mean().item())
    assert torch.allclose(after.diff(), before.diff(), atol=1e-6)
    assert model.backbone.config.score_std == pytest.approx(float(after.std(correction=0)), rel=1e-4)


def test_what_scores_zero_are_demonstrations_else_the_ranked_completions() -> None:
    with_one = replace(row([1, 2], "a", "b"), demonstration="d")
    shown, zero = zero_point(None, [with_one, row([1, 2], "a", "b")])
    assert ([one.completion for one in shown], zero) == (["d"], "demonstrations")
    shown, zero = zero_point(None, [row([1, 2], "a", "b")])
    assert ([one.completion for one in shown], zero) == (["a", "b"], "completions")


def test_all_of_a_model_with_fewer_layers_learns(tiny_policy: Path) -> None:
    model = new_reward_model(tiny_policy, seed=0)
    freeze_but_last(model.backbone, 8)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_last_layers_of_any_decoder_are_found(tiny_gpt2: Path) -> None:
    model = new_reward_model(tiny_gpt2, seed=0)
    freeze_but_last(model.backbone, 1)
    learning = {
        ".".join(name.split(".")[:2]) for name, p in model.backbone.named_parameters() if p.requires_grad
    }
    assert learning == {"h.1", "ln_f.weight", "ln_f.bias"}


def test_only_the_last_layers_learn_when_told_so(tiny_policy: Path, rankings: Path, tmp_path: Path) -> None:
    trained = one_step(tiny_policy, rankings, tmp_path / "rm", trained_layers=1)
    begun = dict(new_reward_model(tiny_policy, 0).backbone.named_parameters())
    moved = {name for name, weight in trained.items() if not torch.equal(weight, begun[name])}
    assert moved == {n for n in trained if n.startswith("layers.1.") or n == "norm.weight"}


def test_a_head_with_a_rate_of_its_own_begins_at_zero(
    tiny_policy: Path, rankings: Path, tmp_path: Path
) -> None:
    train_reward(
        CONFIG.model_copy(update={"head_lr": 0.25, "batch_size": 64, "epochs": 2, "lr_floor": 1.0}),
        policy=tiny_policy,
        rankings=rankings,
        demonstrations=None,
        out=tmp_path / "rm",
    )
    lines = [json.loads(line) for line in (tmp_path / "rm/metrics.jsonl").read_text().splitlines()]
    first, second = (line for line in lines if "loss" in line)
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    # Adam's first two steps are of about the rate each, in the direction of the first gradient.
    head = load_reward_model(tmp_path / "rm").head.weight.abs()
    assert 0.25 < head.median().item() < 0.5
    begun = dict(new_reward_model(tiny_policy, 0).backbone.named_parameters())
    moved = [
        (w - begun[n]).abs().max() for n, w in load_reward_model(tmp_path / "rm").backbone.named_parameters()
    ]
    # Nothing reaches the backbone through a head of zeros, so it took one step, at the others' rate.
    assert 0 < max(moved).item() <= CONFIG.lr
    assert second["lr"] == CONFIG.lr


def test_a_model_that_cannot_share_its_prompt_falls_back(
    tiny_policy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = new_reward_model(tiny_policy, seed=0)
    judged = JudgedPrompt([5] * 50, [[6, 1], [7, 1], [8, 1]], [(0, 1), (1, 2)])
    assert shares_prompt(model, [judged], "auto", 0)
    assert not shares_prompt(model, [judged], "never", 0)
    monkeypatch.setattr(judged_scores, "shared_scores", lambda *_: [torch.zeros(2)])
    assert not shares_prompt(model, [judged], "auto", 0)
    assert "cannot share" in caplog.text


def test_a_short_prompt_is_not_worth_sharing(tiny_policy: Path) -> None:
    judged = JudgedPrompt([5], [[6] * 30 + [1], [7] * 30 + [1]], [(0, 1)])
    assert not shares_prompt(new_reward_model(tiny_policy, 0), [judged], "auto", 0)


@pytest.mark.checklist(13)
def test_ties_kept_pull_their_scores_together(tiny_policy: Path, tmp_path: Path) -> None:
    rows = [ranking(i) | {"ranks": [1, 1, 1, 1]} for i in range(8)]
    (tmp_path / "ties.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = {"ties": "half", "epochs": 8, "batch_size": 4, "valid_fraction": 0.0}
    one_step(tiny_policy, tmp_path / "ties.jsonl", tmp_path / "rm", **changes)
    losses = [json.loads(line).get("loss") for line in (tmp_path / "rm/metrics.jsonl").open()]
    assert losses[-2] == pytest.approx(math.log(2), abs=0.01) and losses[0] > losses[-2] + 0.02


def by(labeler: str, number: int) -> Ranking:
    return replace(row([1, 2], "a", "b", prompt=str(number)), labeler=labeler)


def test_each_labeler_is_in_one_group() -> None:
    rows = [by(name, number) for number, name in enumerate("abcdefgabc")]
    groups = labeler_groups(rows, 3, seed=0)
    assert sorted(sum((sorted(group) for group in groups), [])) == list("abcdefg")
    assert sorted(map(len, groups)) == [2, 2, 3]
    with pytest.raises(BadInput, match="8 groups need 8 labelers; the file names 7"):
        labeler_groups(rows, 8, seed=0)


@pytest.mark.checklist(16)
def test_labelers_left_out_are_judged_by_a_model_of_the_others(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json = checkpoints.write_json

    def write_and_leave(path: Path, value: object) -> None:
        write_json(path, value)
        if path.name == "labeler_groups.json":
            raise KeyboardInterrupt

    # Two groups that hold the opposite of each other: a model of one is wrong about the other.
    rows = [ranking(i) | {"labeler": "ab"[i % 2], "split": "valid" if i < 4 else "train"} for i in range(20)]
    for odd in rows[1::2]:
        odd["ranks"] = [5 - rank for rank in odd["ranks"]]
    (tmp_path / "two.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = {"labeler_folds": 2, "epochs": 8, "batch_size": 4}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "write_json", write_and_leave)
        one_step(tiny_policy, tmp_path / "two.jsonl", tmp_path / "rm", **changes)
    monkeypatch.delattr("trainer.reward.labeler_groups")  # what was found is not looked for again
    one_step(tiny_policy, tmp_path / "two.jsonl", tmp_path / "rm", **changes)
    result = facts(tmp_path / "rm")
    assert result["seen_labelers"]["accuracy"] > 0.9 > 0.1 > result["unseen_labelers"]["accuracy"]
    assert result["unseen_labelers"]["prompts"] == result["seen_labelers"]["prompts"] == 4
    assert not (tmp_path / "rm/state").exists()


@pytest.mark.checklist(14)
def test_it_warns_when_it_begins_to_overfit(
    tiny_policy: Path, rankings: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [json.loads(line) | {"split": "train"} for line in rankings.read_text().splitlines()]
    wrong = [
        row | {"id": "w", "split": "valid", "ranks": [5 - rank for rank in row["ranks"]]} for row in rows
    ]
    rankings.write_text("".join(json.dumps(row) + "\n" for row in rows + wrong[:4]))
    one_step(tiny_policy, rankings, tmp_path / "rm", epochs=8, valid_every=1)
    assert "held-out loss rises since step" in caplog.text
    assert facts(tmp_path / "rm")["overfits_from"] <= 4


def test_rankings_that_are_all_held_out_are_refused_as_such(tiny_policy: Path, tmp_path: Path) -> None:
    (tmp_path / "valid.jsonl").write_text(json.dumps(ranking(0) | {"split": "valid"}))
    with pytest.raises(BadInput, match="no ranking to train on; all are held out"):
        train_reward(
            CONFIG,
            policy=tiny_policy,
            rankings=tmp_path / "valid.jsonl",
            demonstrations=None,
            out=tmp_path / "rm",
        )


def test_rankings_of_ties_alone_are_refused(tiny_policy: Path, tmp_path: Path) -> None:
    tied = ranking(0) | {"ranks": [1, 1, 1, 1]}
    (tmp_path / "ties.jsonl").write_text(json.dumps(tied))
    with pytest.raises(BadInput, match="every ranking is a tie"):
        train_reward(
            CONFIG.model_copy(update={"valid_fraction": 0.0}),
            policy=tiny_policy,
            rankings=tmp_path / "ties.jsonl",
            demonstrations=None,
            out=tmp_path / "rm",
        )


def test_a_new_reward_model_begins_near_the_loss_of_a_coin(
    tiny_policy: Path, rankings: Path, tmp_path: Path
) -> None:
    one_step(tiny_policy, rankings, tmp_path / "rm")
    first = json.loads((tmp_path / "rm/metrics.jsonl").read_text().splitlines()[0])
    assert first["loss"] == pytest.approx(math.log(2), abs=0.4)
    assert load_reward_model(tmp_path / "rm").head.bias.item() != 0
