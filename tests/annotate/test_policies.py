"""Several policies in one campaign: their shares, which places they answer, how often each wins."""

from collections import Counter
from collections.abc import Iterator

import pytest
from django.utils import timezone

from annotate.actions import sampling
from annotate.actions.checkpoints import promote, set_policy_shares
from annotate.actions.sampling import MIXED_BATCH, SPREAD, mixed
from annotate.errors import Refused
from annotate.models import (
    Campaign,
    Checkpoint,
    ClaimState,
    Completion,
    Prompt,
    RankedCompletion,
    Ranking,
    Sampling,
    User,
)
from annotate.win_rates import win_rates
from tests.annotate.api import Program
from tests.people import client_of
from tests.rows import make_prompt
from trainer import tasks
from trainer.engine import Refused as RefusedByEngine
from trainer.sampler import Answered


def policy(name: str, campaign: Campaign | None = None) -> Checkpoint:
    return Checkpoint.objects.create(kind="policy", name=name, location=f"/{name}", campaign=campaign)


@pytest.fixture
def three(campaign: Campaign) -> list[Checkpoint]:
    """Return the current policy and two others."""
    policies = [policy("ppo"), policy("sft", campaign), policy("base")]
    promote(campaign, policies[0], None, "the tests' own")
    return policies


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let an engine answer that only says which policy it holds; return which it was started with."""
    started: list[str] = []

    def ready(policy: Checkpoint, worker: str) -> str:
        started.append(policy.name)
        return "none"

    def answers(campaign: Campaign, asked: list[tuple[object, list[int]]]) -> Iterator[object]:
        for number, (messages, seeds) in enumerate(asked):
            if "refuse" in str(messages):
                yield RefusedByEngine(number, "too_long", "too long")
                continue
            for index, _seed in enumerate(seeds):
                yield Answered(number, index, f"by {started[-1]}", 1, "stop")

    monkeypatch.setattr(tasks, "ready", ready)
    monkeypatch.setattr(tasks, "answers", answers)
    return started


def test_places_follow_the_shares_prompt_by_prompt_and_together() -> None:
    mixes = [mixed([50, 30, 20], 4, pk * SPREAD % 1) for pk in range(1, 1001)]
    assert all(mix.count(0) == 2 and mix.count(1) in (1, 2) and mix.count(2) in (0, 1) for mix in mixes)
    shares = Counter(number for mix in mixes for number in mix)
    assert [shares[number] for number in range(3)] == pytest.approx([2000, 1200, 800], abs=5)


def test_a_batch_is_sampled_policy_by_policy(
    campaign: Campaign, three: list[Checkpoint], told: list[str], rosa: User
) -> None:
    ppo, sft, base = three
    set_policy_shares(campaign, rosa, {sft: 25, base: 25})
    prompts = [make_prompt(campaign) for _ in range(10)]
    tasks.sample_batch(sampling.claim_batch(), "worker")
    assert told == ["ppo", "sft", "base"]
    for prompt in prompts:
        completions = Completion.objects.filter(prompt=prompt).select_related("policy")
        assert sorted(each.policy.name for each in completions) == ["base", "ppo", "ppo", "sft"]
        assert all(each.text == f"by {each.policy.name}" for each in completions)
    assert set(Prompt.objects.values_list("sampling", flat=True)) == {Sampling.SAMPLED}


def test_a_refused_prompt_fails_alone_among_several_policies(
    campaign: Campaign, three: list[Checkpoint], told: list[str], rosa: User
) -> None:
    set_policy_shares(campaign, rosa, {three[1]: 50})
    refused, other = make_prompt(campaign, "refuse"), make_prompt(campaign)
    tasks.sample_batch(sampling.claim_batch(), "worker")
    states = [Prompt.objects.get(pk=prompt.pk).sampling for prompt in (refused, other)]
    assert states == [Sampling.FAILED, Sampling.SAMPLED]


def test_only_several_policies_make_big_batches(
    campaign: Campaign, three: list[Checkpoint], rosa: User
) -> None:
    for _ in range(2 * sampling.BATCH + 1):
        make_prompt(campaign)
    assert len(sampling.claim_batch()) == sampling.BATCH
    set_policy_shares(campaign, rosa, {three[1]: 50})
    assert len(sampling.claim_batch()) == sampling.BATCH + 1 <= MIXED_BATCH


def test_shares_that_cannot_be_are_refused(campaign: Campaign, three: list[Checkpoint], rosa: User) -> None:
    ppo, sft, base = three
    judge = Checkpoint.objects.create(kind="reward_model", name="judge", location="/judge")
    for shares in ({sft: 60, base: 41}, {ppo: 10}, {judge: 10}, {sft: 0}):
        with pytest.raises(Refused):
            set_policy_shares(campaign, rosa, shares)
    assert not campaign.policy_shares.exists()


def test_the_page_keeps_what_was_typed_and_saves_what_fits(
    campaign: Campaign, three: list[Checkpoint], rosa: User
) -> None:
    _ppo, sft, base = three
    browser, path = client_of(rosa), f"/campaigns/{campaign.pk}/policies"
    refused = browser.post(path, {f"share-{sft.pk}": "70", f"share-{base.pk}": "55"})
    assert (
        refused.status_code == 422 and "125 percent together" in refused.text and 'value="70"' in refused.text
    )
    assert browser.post(path, {f"share-{sft.pk}": "30", f"share-{base.pk}": "0"}).status_code == 302
    assert list(campaign.policy_shares.values_list("policy__name", "percent")) == [("sft", 30)]
    assert "No ranking compares two policies yet" in browser.get(path).text


def test_a_program_sets_the_shares(campaign: Campaign, three: list[Checkpoint], rosa: User) -> None:
    program, path = Program(rosa), f"campaigns/{campaign.pk}/policies"
    share = {"policy": three[1].pk, "percent": 40}
    assert program.ask("PUT", path, {"shares": [share]}).json() == {"shares": [share]}
    assert program.ask("PUT", path, {"shares": [{**share, "percent": 101}]}).status_code == 422
    assert program.get(path).json() == {"shares": [share]}


def judge(campaign: Campaign, policies: list[Checkpoint], ranks: list[int]) -> None:
    prompt = make_prompt(campaign)
    done = {"state": ClaimState.SUBMITTED, "slot": 0, "submitted_at": timezone.now()}
    ranking = Ranking.objects.create(prompt=prompt, **done)
    for place, (one, rank) in enumerate(zip(policies, ranks, strict=True)):
        completion = Completion.objects.create(prompt=prompt, policy=one, place=place, text="x")
        RankedCompletion.objects.create(ranking=ranking, completion=completion, place=place, rank=rank)


def test_win_rates_by_pair_of_policies(campaign: Campaign, three: list[Checkpoint], rosa: User) -> None:
    # ppo against sft: 8 prompts of two wins, 4 of a win and a tie: (16 + 6) of 24. sft against base: all 12.
    ppo, sft, base = three
    for number in range(12):
        judge(campaign, [ppo, ppo, sft, base], [1, 2, 3, 4] if number < 8 else [1, 2, 2, 4])
    judge(campaign, [base, base, base], [1, 2, 3])
    found = {(pair.winner, pair.loser): pair.share for pair in win_rates(campaign).pairs}
    assert {names: (figure.value, figure.count, figure.prompts) for names, figure in found.items()} == {
        ("ppo", "sft"): (pytest.approx(22 / 24), 24, 12),
        ("ppo", "base"): (1.0, 24, 12),
        ("sft", "base"): (1.0, 12, 12),
    }
    figure = found["ppo", "sft"]
    assert figure.low is not None and figure.high is not None and figure.low < 22 / 24 < figure.high
    assert "91.7%" in client_of(rosa).get(f"/campaigns/{campaign.pk}/policies").text


def test_a_pair_below_half_is_told_the_other_way_round(campaign: Campaign, three: list[Checkpoint]) -> None:
    ppo, sft, _base = three
    for number in range(10):
        judge(campaign, [ppo, sft], [2, 1] if number else [1, 2])
    (pair,) = win_rates(campaign).pairs
    assert (pair.winner, pair.loser, pair.share.value) == ("sft", "ppo", pytest.approx(0.9))
