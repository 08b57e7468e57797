"""The data, looked at: the paper's tables of a campaign, on rows whose figures are worked by hand."""

from collections import Counter

from django.utils import timezone

from annotate.collected import Share, collected
from annotate.lengths import histogram, lengths
from annotate.models import Campaign, Demonstration, Prompt, Ranking, User
from tests.people import client_of
from tests.rows import make_prompt


def answer(kind: type[Ranking] | type[Demonstration], prompt: Prompt, who: User, **fields: object) -> None:
    now = timezone.now()
    kind.objects.create(prompt=prompt, labeler=who, slot=0, state="submitted", submitted_at=now, **fields)


def fill(campaign: Campaign, lena: User, lars: User) -> None:
    """Two customers' prompts of 4, 4 and 10 characters and a labeler's of 6; one is set aside."""
    about = {"source": "customer", "author": lars, "category": "chat", "language": "en"}
    first = make_prompt(campaign, "four", **about)
    second = make_prompt(campaign, "FOUR", **about, flags=["ambiguous"])
    third = make_prompt(campaign, "characters", **about | {"author": lena, "language": "de"})
    fourth = make_prompt(campaign, "sechs!", source="labeler", author=lena)
    make_prompt(campaign, "nobody counts this one", sampling="set_aside", **about)
    answer(Ranking, first, lena, prompt_flags=["advice"])
    answer(Ranking, second, lena)
    answer(Demonstration, fourth, lena, text="seven..")
    Demonstration.objects.create(prompt=third, labeler=lena, slot=None, state="skipped")


def test_lengths_are_those_worked_by_hand() -> None:
    found = lengths(Counter({1: 1, 2: 2, 7: 1}))
    assert found is not None
    assert (found.texts, found.mean, round(found.std, 4)) == (4, 3.0, 2.3452)
    assert (found.shortest, found.quarter, found.half, found.three_quarters, found.longest) == (1, 1, 2, 2, 7)
    assert lengths(Counter()) is None


def test_one_long_text_does_not_press_the_bars_together() -> None:
    bars = histogram({"train": Counter({40: 199, 100_000: 1})})
    assert (bars[0][0], bars[-1][0], len(bars)) == (0, 40, 41)
    assert bars[-1][1]["train"] == 1.0
    assert histogram({}) == []


def test_each_table_counts_what_is_there(campaign: Campaign, lena: User, lars: User) -> None:
    fill(campaign, lena, lars)
    tables = collected(campaign)
    assert tables.prompts == 4
    assert tables.sizes == [("train", "labeler", [1, 0, 1]), ("train", "customer", [0, 2, 3])]
    assert tables.categories == [Share("chat", 3, 1.0)]
    assert tables.languages == [Share("en", 2, 2 / 3), Share("de", 1, 1 / 3)]
    assert tables.customers == [("train", [None, 2.0, 1.5])]
    flags = {flag: dict(zip(tables.columns, row, strict=True)) for flag, row in tables.flags}
    assert flags["ambiguous"]["RM", "train"] == flags["advice"]["RM", "train"] == 0.5
    assert flags["ambiguous"]["SFT", "train"] == 0 and flags["ambiguous"]["RM", "valid"] is None
    assert [(name, split, one.texts, one.mean) for name, split, one in tables.by_dataset] == [
        ("SFT", "train", 1, 6), ("RM", "train", 2, 4), ("PPO", "train", 4, 6)
    ]  # fmt: skip
    assert [(source, what, one.longest) for source, what, one in tables.by_source] == [
        ("labeler", "prompt", 6), ("labeler", "demonstration", 7)
    ]  # fmt: skip


def test_the_page_shows_them_to_researchers(campaign: Campaign, rosa: User, lena: User, lars: User) -> None:
    url = f"/campaigns/{campaign.pk}/tables"
    assert "There are no prompts yet" in client_of(rosa).get(url).content.decode()
    fill(campaign, lena, lars)
    page = client_of(rosa).get(url).content.decode()
    assert "66.7%" in page and '<script id="lengths" type="application/json">' in page
    assert client_of(lena).get(url).status_code == 404
