import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from annotate.actions.imports import import_by_name, import_file
from annotate.errors import Invalid
from annotate.models import (
    Campaign,
    Checkpoint,
    Demonstration,
    Prompt,
    RankedCompletion,
    Ranking,
    Sampling,
    User,
)
from annotate.wire import Kind

PROMPT = [{"role": "user", "content": "Why is the sky blue?"}]
COMPLETIONS = [{"text": "Rayleigh.", "policy": "a"}, {"text": "Magic.", "policy": "b"}]
RANKING = {"id": "r1", "prompt": PROMPT, "completions": COMPLETIONS, "ranks": [2, 1]}
DEMONSTRATION = {"id": "d1", "prompt": PROMPT, "completion": "Because of scattering."}

pytestmark = pytest.mark.django_db


def jsonl(*rows: dict[str, Any]) -> io.BytesIO:
    return io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())


def bring(campaign: Campaign, kind: Kind, *rows: dict[str, Any], **options: Any) -> None:
    import_file(kind, jsonl(*rows), campaign, None, **options)


def test_a_ranking_brings_its_prompt_completions_and_people(campaign: Campaign) -> None:
    bring(campaign, "rankings", RANKING | {"labeler": "worker 1", "author": "writer", "split": "valid"})
    ranking = Ranking.objects.get(prompt__campaign=campaign)
    ranked = [(one.completion.text, one.rank) for one in ranking.ranked_completions.all()]
    assert ranked == [("Rayleigh.", 2), ("Magic.", 1)]
    assert (ranking.prompt.split, ranking.prompt.sampling, ranking.state) == ("valid", "sampled", "submitted")
    assert list(Checkpoint.objects.order_by("name").values_list("name", "location")) == [("a", ""), ("b", "")]


def test_someone_known_only_from_a_file_cannot_sign_in(campaign: Campaign, lena: User) -> None:
    bring(campaign, "rankings", RANKING | {"labeler": "worker 1", "author": "lena"})
    worker = User.objects.get(username="worker 1")
    assert not worker.is_active
    assert not worker.has_usable_password()
    assert Prompt.objects.get(campaign=campaign).author == lena


def test_several_labelers_judge_one_prompt(campaign: Campaign) -> None:
    bring(campaign, "rankings", RANKING | {"labeler": "w1"}, RANKING | {"labeler": "w2", "ranks": [1, 1]})
    assert Prompt.objects.count() == 1
    assert list(Ranking.objects.values_list("labeler__username", "slot")) == [("w1", 0), ("w2", 1)]
    assert RankedCompletion.objects.count() == 4


@pytest.mark.parametrize("kind", ["rankings", "demonstrations", "prompts"])
def test_the_same_file_twice_adds_nothing(campaign: Campaign, kind: Kind) -> None:
    row = {"rankings": RANKING | {"demonstration": "Scattering."}, "demonstrations": DEMONSTRATION}
    for _time in range(2):
        bring(campaign, kind, row.get(kind, {"id": "p1", "prompt": PROMPT}))
        counts = [model.objects.count() for model in (Prompt, Ranking, Demonstration)]
        assert counts == [1, int(kind == "rankings"), int(kind != "prompts")]


def test_rankings_join_a_prompt_that_came_before(campaign: Campaign) -> None:
    bring(campaign, "prompts", {"id": "r1", "prompt": PROMPT}, sample=True)
    assert Prompt.objects.get().sampling == Sampling.QUEUED
    bring(campaign, "rankings", RANKING)
    assert Prompt.objects.get().sampling == Sampling.SAMPLED
    assert Prompt.objects.get().completions.count() == 2


def test_slots_are_counted_whether_files_or_labelers_fill_them(campaign: Campaign, lena: User) -> None:
    for labelers in (["w1"], ["w1", "w2", "w3"]):
        bring(
            campaign, "rankings", *(RANKING | {"labeler": each, "demonstration": "So."} for each in labelers)
        )
        prompt = Prompt.objects.get()
        assert (prompt.rankings_held, prompt.demonstrations_held) == (len(labelers), 1)
    # Where an import is over, the triggers count again.
    Ranking.objects.create(prompt=prompt, labeler=lena, slot=3, lease_until=timezone.now())
    prompt.refresh_from_db()
    assert prompt.rankings_held == 4


def test_prompts_are_sampled_by_default_where_there_is_a_policy(campaign: Campaign, ada: User) -> None:
    bring(campaign, "prompts", {"id": "p1", "prompt": PROMPT})
    policy = Checkpoint.objects.create(kind="policy", name="base", location="somewhere")
    campaign.promotions.create(policy=policy, reason="test")
    bring(campaign, "prompts", {"id": "p2", "prompt": [{"role": "user", "content": "Another?"}]})
    assert list(Prompt.objects.values_list("sampling", flat=True)) == ["none", "queued"]


CONTRADICTIONS: list[tuple[Kind, dict[str, Any], str]] = [
    ("rankings", RANKING, "r1 stands on an earlier line"),
    ("rankings", RANKING | {"labeler": "w", "prompt": [{"role": "user", "content": "?"}]}, "another prompt"),
    ("rankings", RANKING | {"labeler": "w", "completions": COMPLETIONS[::-1]}, "other completions"),
    ("demonstrations", DEMONSTRATION, "d1 stands on an earlier line"),
    ("prompts", {"id": "p1", "prompt": PROMPT}, "id p1 stands on an earlier line"),
]


@pytest.mark.parametrize(("kind", "row", "message"), CONTRADICTIONS)
@pytest.mark.parametrize("batch", [500, 1])
def test_a_file_that_contradicts_itself_adds_nothing(
    campaign: Campaign,
    kind: Kind,
    row: dict[str, Any],
    message: str,
    batch: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("annotate.actions.imports.BATCH_ROWS", batch)
    first = {"rankings": RANKING, "demonstrations": DEMONSTRATION}.get(kind, {"id": "p1", "prompt": PROMPT})
    with pytest.raises(Invalid, match=f"^Line 2: .*{message}"):
        bring(campaign, kind, first, row)
    assert not Prompt.objects.exists()


def test_what_is_here_already_must_say_the_same(campaign: Campaign) -> None:
    bring(campaign, "rankings", RANKING | {"split": "train"})
    with pytest.raises(Invalid, match="Line 1: .* here already with other ranks"):
        bring(campaign, "rankings", RANKING | {"ranks": [1, 2]})
    with pytest.raises(Invalid, match="Line 1: .* here already with another split"):
        bring(campaign, "rankings", RANKING | {"labeler": "w", "split": "valid"})


def test_an_author_stands_in_one_split(campaign: Campaign) -> None:
    rows = [{"id": f"p{number}", "prompt": PROMPT, "author": "writer"} for number in range(3)]
    with pytest.raises(Invalid, match="Line 2: all prompts of writer are in valid, this one says train"):
        bring(campaign, "prompts", rows[0] | {"split": "valid"}, rows[1] | {"split": "train"})
    bring(campaign, "prompts", rows[0] | {"split": "test"}, rows[1])
    with pytest.raises(Invalid, match="Line 1: all prompts of writer are in test"):
        bring(campaign, "prompts", rows[2] | {"split": "train"})
    assert set(Prompt.objects.values_list("split", flat=True)) == {"test"}


def test_equal_prompts_without_an_author_share_a_split(campaign: Campaign) -> None:
    words = [[{"role": "user", "content": f"Count to {number}"}] for number in range(60)]
    rows = [{"id": f"{copy}-{at}", "prompt": prompt} for copy in "ab" for at, prompt in enumerate(words)]
    bring(campaign, "prompts", *rows)
    splits = dict(Prompt.objects.values_list("source_id", "split"))
    assert all(splits[f"a-{at}"] == splits[f"b-{at}"] for at in range(60))
    assert set(splits.values()) == {"train", "valid"}


def test_a_new_campaign_gets_the_files_largest_k() -> None:
    many = [{"text": str(number), "policy": "a"} for number in range(7)]
    import_by_name(
        "rankings", jsonl(RANKING, RANKING | {"id": "r2", "completions": many, "ranks": [1] * 7}), "New"
    )
    assert Campaign.objects.get(name="New").k == 7


def test_the_command_says_what_it_did_and_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rankings.jsonl"
    file.write_text(json.dumps(RANKING))
    call_command("import_rankings", str(file), campaign="New")
    assert "added 1 prompts, 2 completions, 1 rankings" in capsys.readouterr().out
    file.write_text(json.dumps(RANKING | {"id": "r2", "ranks": [1]}))
    with pytest.raises(CommandError, match="Line 1: ranks: 1 for 2 completions.*Nothing was imported"):
        call_command("import_rankings", str(file), campaign="Another")
    assert not Campaign.objects.filter(name="Another").exists()


def test_an_empty_file_is_refused(campaign: Campaign) -> None:
    with pytest.raises(Invalid, match="The file has no rows"):
        bring(campaign, "prompts")


def test_the_planner_learns_of_a_big_file(
    campaign: Campaign, django_capture_on_commit_callbacks: Any
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE annotate_prompt")
        with django_capture_on_commit_callbacks(execute=True):
            bring(campaign, "prompts", *({"id": f"p{number}", "prompt": PROMPT} for number in range(500)))
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'annotate_prompt'::regclass")
        assert cursor.fetchone() == (500,)
