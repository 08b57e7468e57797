"""A snapshot's data card: figures that can be checked by hand, and nobody's name."""

from pathlib import Path

import pytest
from pytest_django import Settings

from annotate.actions.snapshots import take_snapshot
from annotate.data_card import card, plain
from annotate.models import Campaign, Ranking, User
from annotate.snapshot_query import SnapshotQuery
from tests.people import client_of
from tests.rows import sampled_prompt

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(campaign: Campaign, lena: User, lars: User, settings: Settings, tmp_path: Path) -> Campaign:
    """Twelve prompts that lena and lars rank: three of them the other way round."""
    settings.DATA_DIR = tmp_path
    for number in range(12):
        prompt = sampled_prompt(campaign, "Ten chars.")
        for slot, (labeler, ranks) in enumerate([(lena, [1, 2, 2, 2]), (lars, [1, 2, 2, 2])]):
            ranking = Ranking.objects.create(
                prompt=prompt,
                labeler=labeler,
                slot=slot,
                state="submitted",
                submitted_at=prompt.created_at,
                instructions=campaign.instructions.get(),
            )
            turned = number < 3 and labeler == lars
            for completion, rank in zip(prompt.completions.all(), ranks, strict=True):
                ranking.ranked_completions.create(
                    completion=completion, place=completion.place, rank=3 - rank if turned else rank
                )
    return campaign


def test_its_figures_are_the_hand_worked_ones(judged: Campaign, rosa: User) -> None:
    snapshot = take_snapshot(judged, rosa)
    told = card(snapshot)
    assert "75.0 % (95 % interval 45.6 to 91.5) of 36 comparisons" in told
    assert "- rankings by 2 labelers; the most first: 12, 12" in told
    assert r"| rankings | 24 | 2 |" in told
    assert "| Completions | 96 | 8 | 8 | 8 | 8 | 8 |" in told
    assert "| Prompts | 12 | 10 | 10 | 10 | 10 | 10 |" in told
    assert "Helpful answers v1, 24 answers:" in told
    assert "> Prefer **helpful**, true answers." in told
    assert (Path(snapshot.location) / "card.md").read_text() == told


def test_it_names_nobody_and_says_who_is_held_out(judged: Campaign, rosa: User, lars: User) -> None:
    judged.held_out_labelers.add(lars)
    told = card(take_snapshot(judged, rosa, SnapshotQuery(labelers=["lena"])))
    assert "lena" not in told and "lars" not in told
    assert "- labelers: 1 chosen" in told
    assert "1 held-out labelers, whose 12 answers are not in it" in told
    assert "Too few prompts were ranked by two labelers" in told
    assert "All rankings are one person's." in told


def test_it_is_on_the_page_and_a_file_and_hostile_words_stay_words(judged: Campaign, rosa: User) -> None:
    judged.prompts.update(category="a|b <img src=x> [x](javascript:1)")
    Campaign.objects.filter(pk=judged.pk).update(name="*Bold* | name")
    snapshot = take_snapshot(judged, rosa)
    page = client_of(rosa).get(f"/snapshots/{snapshot.pk}").text
    assert "a|b &lt;img src=x&gt; [x](javascript:1)" in page
    assert "<em>Bold" not in page
    file = client_of(rosa).get(f"/snapshots/{snapshot.pk}/card")
    assert file["Content-Disposition"] == f'attachment; filename="snapshot-{snapshot}.md"'
    assert file.text.startswith("# Data card of snapshot")


def test_markdown_in_a_name_is_text() -> None:
    assert plain("a|b\n`c` *d* [e]") == r"a\|b \`c\` \*d\* &#91;e&#93;"
