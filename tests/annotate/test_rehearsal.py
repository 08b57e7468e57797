"""The rehearsal's parts: prompts, the rule, simulated labelers over HTTP, and taking everything away."""

from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from annotate import rehearsal
from annotate.actions import rehearsals
from annotate.management.commands.rehearse import moved
from annotate.models import Campaign, Checkpoint, Completion, Prompt, Ranking, Sampling, Split, User

TEXTS = ["one two three", "one", "one two", "**one**"]


@pytest.fixture
def base(tmp_path: Path) -> Checkpoint:
    return Checkpoint.objects.create(kind="policy", name="base", stage="base", location=str(tmp_path))


@pytest.fixture
def made(transactional_db: None, base: Checkpoint) -> rehearsals.Rehearsal:
    """A rehearsal whose prompts have been sampled."""
    made = rehearsals.begin("rehearsal-test", ["Why rain?", "Why snow?"], ["Why wind?"])
    for prompt in Prompt.objects.all():
        for place, text in enumerate(TEXTS):
            Completion.objects.create(prompt=prompt, policy=base, place=place, text=text)
    Prompt.objects.update(sampling=Sampling.SAMPLED)
    return made


def test_questions_are_all_different_and_the_same_every_time() -> None:
    asked = rehearsal.questions(96)
    assert len(set(asked)) == 96
    assert asked == rehearsal.questions(96)


def test_the_shortest_is_first_and_equal_lengths_tie() -> None:
    assert rehearsal.ranks_by_rule(TEXTS) == [3, 1, 2, 1]


def test_a_change_counts_only_beyond_its_own_interval() -> None:
    before = [30.0, 40.0, 35.0, 45.0]
    assert moved(before, [20.0, 29.0, 26.0, 34.0])["rule_moved"]
    assert not moved(before, [31.0, 10.0, 60.0, 20.0])["rule_moved"]
    assert not moved(before, [40.0, 51.0, 44.0, 56.0])["rule_moved"]


def test_its_prompts_stand_in_the_split_of_their_author(made: rehearsals.Rehearsal) -> None:
    splits = [prompt.split for prompt in Prompt.objects.order_by("pk")]
    assert splits == [Split.TRAIN, Split.TRAIN, Split.VALID]


def test_labelers_rank_over_http_by_the_rule(made: rehearsals.Rehearsal, live_server: LiveServer) -> None:
    person, password = made.labelers[0]
    labeler = rehearsal.Labeler(live_server.url, person.username, password)
    assert len(list(labeler.rank_all(made.campaign.pk))) == 3
    for ranking in Ranking.objects.filter(state="submitted"):
        ranked = {row.completion.text: row.rank for row in ranking.ranked_completions.all()}
        assert ranked == {"one two three": 3, "one": 1, "one two": 2, "**one**": 1}


def test_it_leaves_nothing_behind(made: rehearsals.Rehearsal, live_server: LiveServer) -> None:
    person, password = made.labelers[0]
    list(rehearsal.Labeler(live_server.url, person.username, password).rank_all(made.campaign.pk))
    rehearsals.remove(made.campaign)
    assert not any(noun.objects.exists() for noun in (Campaign, Prompt, Completion, Ranking, User))
    assert Checkpoint.objects.get().name == "base"


def test_only_a_rehearsal_is_ever_taken_away(campaign: Campaign) -> None:
    with pytest.raises(AssertionError, match="only a rehearsal"):
        rehearsals.remove(campaign)
