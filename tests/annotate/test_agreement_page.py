"""The agreement of a campaign's rows: on the page, in its plot and from the command, the same."""

import json
import os
from datetime import UTC, datetime
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotate.actions.imports import import_by_name
from annotate.actions.kept_figures import work_out_due
from annotate.models import Campaign, Prompt, Ranking, User
from tests.people import client_of
from tests.rows import sampled_prompt

LLMFAO = os.environ.get("PODIUM_TEST_LLMFAO", "")
RANKS = {"lena": [1, 2, 3, 4], "lars": [1, 3, 2, 4]}
"""By the completions' own order: five of six comparisons alike."""


def ranked(prompt: Prompt, labeler: User, ranks: list[int], **fields: Any) -> Ranking:
    """Judge the prompt's completions: lars saw them in their own order, everyone else in reverse."""
    at = datetime(2022, 3, 4, 12, tzinfo=UTC)
    facts = {"slot": prompt.rankings.count(), "state": "submitted", "submitted_at": at, "seconds": 40.0}
    ranking = Ranking.objects.create(prompt=prompt, labeler=labeler, **facts | fields)
    for completion, rank in zip(prompt.completions.all(), ranks, strict=True):
        ranking.ranked_completions.create(
            completion=completion,
            place=completion.place if labeler.username == "lars" else 3 - completion.place,
            rank=rank,
            rating=8 - rank,
            flags=["opinion", "sexual"] if rank == 4 else [],
        )
    return ranking


@pytest.fixture
def judged(campaign: Campaign, lena: User, lars: User) -> Campaign:
    """Twelve prompts, each ranked by lena and by lars."""
    for number in range(12):
        prompt = sampled_prompt(campaign, f"Name river {number}.")
        Prompt.objects.filter(pk=prompt.pk).update(category="qa")
        for labeler in (lena, lars):
            ranked(prompt, labeler, RANKS[labeler.username])
    return campaign


def by_command(campaign: Campaign) -> dict[str, Any]:
    out = StringIO()
    call_command("agreement", campaign.name, "--json", stdout=out)
    return json.loads(out.getvalue())


def page(campaign: Campaign, reader: User) -> str:
    return unescape(client_of(reader).get(f"/campaigns/{campaign.pk}/agreement").text)


def test_the_command_says_what_the_rows_give(judged: Campaign) -> None:
    said = by_command(judged)
    assert (said["rankings"], said["agreement"]["count"], said["agreement"]["prompts"]) == (24, 72, 12)
    assert said["agreement"]["value"] == pytest.approx(5 / 6)
    assert said["tau_b"]["value"] == pytest.approx((5 - 1) / 6)
    assert said["flag_alphas"]["opinion"]["value"] == said["flag_alphas"]["sexual"]["value"] == 1
    assert said["flag_alphas"]["violent"]["value"] is None
    assert 0.5 < said["rating_alpha"]["value"] < 1
    assert (said["median_seconds"], said["paper_agreement"]) == (40, [0.726, 0.015])
    assert [group["of"] for group in said["categories"] + said["pairs"]] == [["qa"], ["lars", "lena"]]


def test_the_page_says_the_same(judged: Campaign, rosa: User) -> None:
    text = page(judged, rosa)
    figure = by_command(judged)["agreement"]
    assert f"<strong>{100 * figure['value']:.1f}%</strong>" in text
    assert f"({100 * figure['low']:.1f}% to {100 * figure['high']:.1f}%)" in text
    assert "72.6% ± 1.5%" in text
    assert "72 comparisons made twice, on 12 prompts" in text
    assert "40 seconds a ranking" in text


def test_held_out_labelers_have_a_figure_of_their_own(
    judged: Campaign, rosa: User, lena: User, lars: User
) -> None:
    judged.held_out_labelers.set([lena])
    assert by_command(judged)["held_out_agreement"]["prompts"] == 0
    judged.held_out_labelers.set([lena, lars])
    assert by_command(judged)["held_out_agreement"]["value"] == pytest.approx(5 / 6)
    assert "the paper's: 77.3% ± 1.3%" in page(judged, rosa)


def test_the_plot_shows_the_days(judged: Campaign, rosa: User) -> None:
    answer = client_of(rosa).get(f"/campaigns/{judged.pk}/agreement").context["over_time"]
    [(time, numbers)] = answer["steps"]
    assert datetime.fromtimestamp(time, UTC) == datetime(2022, 3, 4, tzinfo=UTC)
    assert numbers["agreement"] == pytest.approx(5 / 6)
    assert set(numbers) == set(answer["families"]["Agreement"])


def test_unfinished_answers_and_other_campaigns_do_not_count(judged: Campaign, lena: User) -> None:
    before = by_command(judged)
    other = Campaign.objects.create(name="Elsewhere")
    ranked(sampled_prompt(other), lena, [4, 3, 2, 1])
    draft = {"state": "claimed", "submitted_at": None, "lease_until": timezone.now()}
    ranked(sampled_prompt(judged), lena, [4, 3, 2, 1], **draft)
    assert by_command(judged) == before


def test_places_count_only_where_someone_was_shown_them(judged: Campaign) -> None:
    # Lena saw the best last and never chose the earlier one; lars chose it in five of his six comparisons.
    shown = by_command(judged)["earlier_chosen"]
    assert (shown["value"], shown["count"]) == (pytest.approx(5 / 12), 144)
    Ranking.objects.update(source_id="from a file")
    assert by_command(judged)["earlier_chosen"]["count"] == 0


def test_a_prompt_that_comes_back_shows_consistency(judged: Campaign, lena: User) -> None:
    for prompt in list(judged.prompts.all()):
        ranked(sampled_prompt(judged, prompt.text), lena, [1, 2, 4, 3])
    again = by_command(judged)["self_consistency"]
    assert (again["value"], again["prompts"]) == (pytest.approx(5 / 6), 12)


def test_without_overlap_it_says_how_much_is_needed(campaign: Campaign, lena: User, rosa: User) -> None:
    assert "Nobody has ranked anything yet" in page(campaign, rosa)
    ranked(sampled_prompt(campaign), lena, RANKS["lena"])
    assert "not enough overlap yet: 0 of 10 prompts" in page(campaign, rosa)
    out = StringIO()
    call_command("agreement", campaign.name, stdout=out)
    assert "not enough overlap yet: 0 prompts of the 10 needed" in out.getvalue()


def test_the_command_names_a_campaign_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match="no campaign named Nowhere"):
        call_command("agreement", "Nowhere")


def test_it_takes_as_many_queries_however_many_rankings(
    judged: Campaign, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(4):
        by_command(judged)


@pytest.mark.skipif(not LLMFAO, reason="PODIUM_TEST_LLMFAO names no file of LLMFAO's rankings")
def test_llmfao_agrees_as_published(rosa: User) -> None:
    with Path(LLMFAO).open("rb") as file:
        import_by_name("rankings", file, "LLMFAO")
    said = by_command(Campaign.objects.get(name="LLMFAO"))
    assert (round(said["agreement"]["value"], 3), said["agreement"]["count"]) == (0.701, 6755)
    assert round(said["agreement_with_ties"]["value"], 3) == 0.532
    work_out_due()  # as a worker does within a minute
    text = page(Campaign.objects.get(name="LLMFAO"), rosa)
    assert "<strong>70.1%</strong>" in text and "<strong>53.2%</strong>" in text
