"""The PPO stage: what a run leaves, how it is steered, what ends it, what it refuses."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer import ppo, tree_attention
from trainer.config import PpoConfig
from trainer.data import BadInput
from trainer.engine import Engine
from trainer.hardware import device
from trainer.learners import make_learners
from trainer.policy import load_policy
from trainer.ppo import train_ppo
from trainer.ppo_inputs import check_inputs, load_models, pack_models
from trainer.probe import Probe, SyncFailed
from trainer.reward_model import load_reward_model, new_reward_model, save_reward_model
from trainer.steering import adapted_kl_coef
from trainer.tokens import collate, load_tokenizer

CONFIG = PpoConfig(
    max_prompt_tokens=60,
    max_completion_tokens=12,
    batch_size=8,
    minibatches=2,
    steps=4,
    save_every=2,
    samples_every=2,
    valid_every=3,
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
    (tmp_path / "text.txt").write_text("\n\n".join(f"some text, number {i}" for i in range(20)))
    return {
        "policy": tiny_policy,
        "reward_model": tiny_reward_model,
        "prompts": tmp_path / "prompts.jsonl",
        "pretraining": tmp_path / "text.txt",
    }


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(files: dict[str, Path], out: Path, **changes: object) -> tuple[dict, list[dict[str, float]]]:
    """Return a run's result and the metrics of its steps."""
    train_ppo(CONFIG.model_copy(update=changes), **files, out=out)
    result = json.loads((out / "podium.json").read_text())["result"]
    return result, [line for line in lines(out / "metrics.jsonl") if "kl" in line]


@pytest.mark.checklist(29, 44, 45)
def test_a_run_leaves_its_figures_and_samples(
    files: dict[str, Path], tmp_path: Path, engine_at_hand: Engine
) -> None:
    result, metrics = run(files, tmp_path / "out")
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert metrics[0]["kl"] == 0 and metrics[-1]["kl"] > 0
    assert metrics[0]["sync_difference"] < 1e-4 and "sync_followed" not in metrics[0]
    assert metrics[3]["sync_followed"] == pytest.approx(1, abs=0.01)
    assert set(metrics[0]) >= LOGGED
    assert [line["step"] for line in metrics if line.keys() >= HELD_OUT] == [1, 3, 4]
    assert result["kl"] == metrics[-1]["kl"] and "stopped" not in result
    assert result["engine"]["engine"] == "transformers"
    assert {line["step"] for line in lines(tmp_path / "out/samples.jsonl")} == {1, 2, 4}
    assert {line["id"] for line in lines(tmp_path / "out/samples.jsonl")} <= {f"p{i}" for i in range(6)}
    assert not (tmp_path / "out/engine").exists()
    load_policy(tmp_path / "out")


def test_a_second_judge_scores_what_is_held_out_and_changes_nothing_else(
    files: dict[str, Path], tmp_path: Path, engine_at_hand: Engine, tiny_policy: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    save_reward_model(new_reward_model(tiny_policy, 2), load_tokenizer(tiny_policy), other)
    (other / "podium.json").write_text('{"kind": "reward_model"}')
    result, judged = run(files | {"second_judge": other}, tmp_path / "judged", ptx_coef=0.0)
    alone, _ = run(files, tmp_path / "alone", ptx_coef=0.0)
    assert {name: result[name] for name in alone} == alone
    first, third, last = [line for line in judged if "valid_second_score" in line]
    assert (first["valid_kl"], result["valid_kl"]) == (0, last["valid_kl"]) and last["valid_kl"] != 0
    kept = lines(tmp_path / "judged/valid_samples.jsonl")
    assert [(line["step"], line["id"]) for line in kept] == [
        (1, "held out"),
        (3, "held out"),
        (4, "held out"),
    ]
    assert [line["second_score"] for line in kept] == [
        one["valid_second_score"] for one in (first, third, last)
    ]
    assert third["valid_second_score"] != third["valid_score"] == kept[1]["score"]


HELD_OUT = {"valid_score", "valid_kl", "valid_length", "valid_eos_rate", "valid_ptx_loss"}
LOGGED = {
    *("score", "reward", "kl", "kl_coef", "length", "eos_rate", "entropy", "clipfrac", "approx_kl"),
    *("ratio_mean", "ratio_max", "explained_variance", "policy_grad_norm", "value_grad_norm", "ptx_loss"),
    *("mismatch", "mismatch_max", "mismatch_kl", "tokens_per_second", "seconds_sampling"),
    *("seconds_syncing", "seconds_looking", "seconds_learning", "seconds_validating"),
}


@pytest.mark.checklist(28, 42)
def test_the_price_of_kl_adapts_and_is_remembered(
    files: dict[str, Path], tmp_path: Path, engine_at_hand: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    adaptive = {"adaptive_kl_target": 1e-3, "adaptive_kl_horizon": 8}
    _, whole = run(files, tmp_path / "whole", **adaptive)
    for line, following in pairwise(whole):
        expected = adapted_kl_coef(line["kl_coef"], line["kl"], 1e-3, 8, rollouts=8)
        assert following["kl_coef"] == pytest.approx(expected) != line["kl_coef"]
    write = ppo.MetricsLog.write

    def write_and_leave(log: ppo.MetricsLog, step: int, **metrics: float | str) -> None:
        write(log, step, **metrics)
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ppo.MetricsLog, "write", write_and_leave)
        run(files, tmp_path / "cut", **adaptive)
    _, cut = run(files, tmp_path / "cut", **adaptive)
    assert [line["kl_coef"] for line in cut] == [line["kl_coef"] for line in whole]


@pytest.mark.checklist(41)
def test_it_stops_far_from_the_reference_and_says_why(
    files: dict[str, Path], tmp_path: Path, engine_at_hand: Engine
) -> None:
    result, metrics = run(files, tmp_path / "out", max_kl=1e-4, ptx_coef=0.0)
    assert "step 2: KL" in result["stopped"] and "passed max_kl 0.0001" in result["stopped"]
    assert [line["step"] for line in metrics] == [1, 2]


@pytest.mark.checklist(41)
def test_a_gradient_without_a_number_ends_the_run_with_what_it_had(
    files: dict[str, Path], tmp_path: Path, engine_at_hand: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = load_reward_model(files["reward_model"]).values
    seen = []

    def soon_without_a_number(model: object, batch: object) -> torch.Tensor:
        seen.append(1)
        return values(batch) * (float("nan") if len(seen) > 5 else 1)

    monkeypatch.setattr("trainer.reward_model.RewardModel.values", soon_without_a_number)
    result, metrics = run(files, tmp_path / "out")
    assert result["stopped"] == "step 2: the gradient is not finite: lower the learning rate"
    assert [line["step"] for line in metrics] == [1] and result["kl"] == 0
    weights = load_file(tmp_path / "out/model.safetensors")
    assert all(torch.isfinite(weight).all() for weight in weights.values())


@pytest.mark.checklist(24)
def test_an_engine_that_rounds_is_warned_of_and_corrected_for(
    files: dict[str, Path], tmp_path: Path, engine_at_hand: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {"steps": 1, "minibatches": 1, "ptx_coef": 0.0}
    _, plain = run(files, tmp_path / "plain", **changes, mismatch_warning=1e-9)
    assert "nats a token apart, over mismatch_warning" in caplog.text
    _, capped = run(files, tmp_path / "capped", **changes, importance_cap=0.5)
    # Engine and policy agree here, so every weight is the cap: the policy's gradient is halved.
    assert capped[0]["policy_grad_norm"] == pytest.approx(0.5 * plain[0]["policy_grad_norm"], rel=1e-4)
    assert capped[0]["value_grad_norm"] == plain[0]["value_grad_norm"]


@pytest.mark.checklist(27)
def test_the_kl_is_a_completions_own_summed_over_its_tokens() -> None:
    ones = torch.ones(2, 3)
    batch = ppo.collate([([5], [6, 7, 1]), ([5], [1])], 0)
    rollout = ppo.Rollout(
        batch, torch.tensor([True, True]), ones, ones, ones - 0.25, ones, ones, torch.ones(2)
    )
    stats = ppo._rollout_stats(rollout, ppo.Targets(ones, ones), 0.0)
    assert stats["kl"] == pytest.approx((3 * 0.25 + 1 * 0.25) / 2)
    assert stats["mismatch"] == 0 and stats["eos_rate"] == 1


@pytest.mark.checklist(29, 36)
def test_the_reference_and_the_judge_are_frozen_and_the_value_model_begins_as_the_judge(
    tiny_policy: Path, tiny_reward_model: Path
) -> None:
    learners, models = load_models(tiny_policy, tiny_reward_model, CONFIG)
    frozen = [*models.reference.parameters(), *models.reward_model.parameters()]
    assert not any(parameter.requires_grad for parameter in frozen)
    assert models.reference is not learners.policy
    judge = dict(models.reward_model.named_parameters())
    assert all(torch.equal(judge[name], value) for name, value in learners.value_model.named_parameters())


def with_score_std(reward_model: Path, out: Path, std: float) -> Path:
    """Return a copy of a reward model that says so of its scores."""
    shutil.copytree(reward_model, out)
    told = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(told | {"score_std": std}))
    return out


def test_scores_can_count_in_their_standard_deviation(
    tiny_policy: Path, tiny_reward_model: Path, tmp_path: Path
) -> None:
    judge = with_score_std(tiny_reward_model, tmp_path / "judge", 0.04)
    second = with_score_std(tiny_reward_model, tmp_path / "second", 0.5)
    config = CONFIG.model_copy(update={"scale_scores": True})
    _, models = load_models(tiny_policy, judge, config, second)
    batch = collate([([40, 41], [50, 51]), ([42], [52, 53, 54])], 0).to(device())
    plain = load_reward_model(tiny_reward_model)
    assert torch.allclose(models.reward_model.scores(batch), plain.scores(batch) / 0.04, rtol=1e-4)
    assert torch.allclose(models.value_model.values(batch), plain.values(batch) / 0.04, rtol=1e-4)
    assert torch.allclose(models.second_judge.scores(batch), plain.scores(batch) / 0.5, rtol=1e-4)


def test_a_reward_model_without_a_unit_cannot_be_scaled(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="scale_scores: --reward-model .* train it anew"):
        run(files, tmp_path / "out", scale_scores=True)


@pytest.mark.parametrize(("changes", "warns"), [({}, True), ({"missing_eos_score": -0.3}, False)])
def test_it_warns_where_a_missing_end_outweighs_all_else(
    tiny_reward_model: Path,
    tiny_policy: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, float],
    warns: bool,
) -> None:
    judge = with_score_std(tiny_reward_model, tmp_path / "judge", 0.04)
    config = CONFIG.model_copy(update={"ptx_coef": 0.0} | changes)
    # Nothing is learned from the second judge, so nothing is said of its unit.
    second = with_score_std(tiny_reward_model, tmp_path / "second", 1e-3)
    check_inputs(judge, second, load_tokenizer(tiny_policy), None, config)
    assert caplog.text.count("hardly more will be learned") == warns
    assert ("missing_eos_score -1 is 25 standard deviations" in caplog.text) is warns


@pytest.mark.checklist(38)
def test_adam_is_openais(tiny_policy: Path, tiny_reward_model: Path) -> None:
    learners = make_learners(load_policy(tiny_policy), load_reward_model(tiny_reward_model), PpoConfig())
    for optimizer in (learners.policy_optimizer, learners.value_optimizer):
        (group,) = optimizer.param_groups
        assert (group["eps"], group["betas"], group["weight_decay"]) == (1e-5, (0.9, 0.95), 0.0)


@pytest.mark.checklist(43)
def test_the_probe_finds_an_engine_with_other_weights(tiny_engine: Engine, tiny_policy: Path) -> None:
    policy, probe = load_policy(tiny_policy), Probe([list(range(40, 70))], 259, 0.8)
    assert probe.check(tiny_engine, policy)["sync_difference"] < 1e-4
    with torch.no_grad():
        policy.get_output_embeddings().weight.mul_(1.05)
    with pytest.raises(SyncFailed, match="samples from other weights"):
        probe.check(tiny_engine, policy)


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
    with pytest.raises(BadInput, match=message):
        run(files | {"pretraining": None}, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_prompts_that_are_all_held_out_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    row = {"id": "p", "prompt": [{"role": "user", "content": "word"}], "split": "test"}
    files["prompts"].write_text(json.dumps(row))
    with pytest.raises(BadInput, match="every prompt is held out"):
        run(files, tmp_path / "out")


def test_on_a_processor_no_model_computes_padding(tiny_policy: Path, tiny_reward_model: Path) -> None:
    _, models = load_models(tiny_policy, tiny_reward_model, CONFIG)
    pack_models(models, [[5, 6, 7]], CONFIG)
    backbones = [m.base_model for m in models[:2]] + [m.backbone for m in models[2:4]]
    packed = {backbone.config._attn_implementation == tree_attention.NAME for backbone in backbones}
    assert packed == {device().type == "cpu"}
