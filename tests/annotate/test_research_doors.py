"""Who gets into the researchers' and admins' pages, page by page."""

import pytest
from django.test import Client

from annotate.models import Campaign, Checkpoint, CheckpointKind, Run, Snapshot, User
from tests.people import client_of

RESEARCH = [
    "/campaigns",
    "/campaigns/new",
    "/campaigns/{campaign}",
    "/campaigns/{campaign}/metrics",
    "/campaigns/{campaign}/settings",
    "/campaigns/{campaign}/instructions",
    "/campaigns/{campaign}/members",
    "/campaigns/{campaign}/prompts",
    "/campaigns/{campaign}/intake",
    "/campaigns/{campaign}/runs",
    "/campaigns/{campaign}/runs/start/sft",
    "/campaigns/{campaign}/runs/start/reward?preset=paper",
    "/campaigns/{campaign}/runs/start/ppo",
    "/campaigns/{campaign}/runs/start/evaluate",
    "/campaigns/{campaign}/checkpoints",
    "/campaigns/{campaign}/retraining",
    "/campaigns/{campaign}/agreement",
    "/campaigns/{campaign}/tables",
    "/campaigns/{campaign}/data",
    "/snapshots/{snapshot}",
    "/runs",
    "/runs/{run}",
    "/runs/{run}/status",
    "/runs/{run}/metrics",
    "/checkpoints",
    "/checkpoints/{checkpoint}",
]
ADMIN = ["/campaigns/{campaign}/data/rankings.jsonl", "/people", "/people/new", "/people/{ada}"]
POSTS = [
    "/campaigns/{campaign}/retraining/now",
    "/campaigns/{campaign}/prompts/retry",
    "/campaigns/{campaign}/data/snapshot",
    "/campaigns/{campaign}/data/import",
    "/runs/{run}/cancel",
    "/runs/{run}/retry",
    "/checkpoints/{checkpoint}/promote/{campaign}",
    "/people/{ada}/role",
    "/people/{ada}/password",
    "/people/{ada}/deactivate",
    "/people/{ada}/reactivate",
]


@pytest.fixture
def rows(campaign: Campaign, ada: User) -> dict[str, int]:
    checkpoint = Checkpoint.objects.create(kind=CheckpointKind.POLICY, name="base", location="/x")
    manifest = {"rankings": {"rows": 0, "sha256": "", "bytes": 0, "comparisons": 0}}
    snapshot = Snapshot.objects.create(campaign=campaign, sha256="a" * 64, manifest=manifest, location="/y")
    run = Run.objects.create(campaign=campaign, stage="reward", policy=checkpoint, snapshot=snapshot)
    named = {"campaign": campaign, "checkpoint": checkpoint, "snapshot": snapshot, "run": run, "ada": ada}
    return {name: row.pk for name, row in named.items()}


def statuses(client: Client, paths: list[str], rows: dict[str, int]) -> dict[str, int]:
    return {path: client.get(path.format(**rows)).status_code for path in paths}


def test_researchers_see_every_page_but_the_admins(rows: dict[str, int], rosa: User) -> None:
    assert statuses(client_of(rosa), RESEARCH, rows) == dict.fromkeys(RESEARCH, 200)
    assert statuses(client_of(rosa), ADMIN, rows) == dict.fromkeys(ADMIN, 404)


def test_admins_see_every_page(rows: dict[str, int], ada: User) -> None:
    assert statuses(client_of(ada), RESEARCH + ADMIN, rows) == dict.fromkeys(RESEARCH + ADMIN, 200)


def test_labelers_see_none_member_or_not(rows: dict[str, int], lena: User, sten: User) -> None:
    for labeler in (lena, sten):
        assert statuses(client_of(labeler), RESEARCH + ADMIN, rows) == dict.fromkeys(RESEARCH + ADMIN, 404)


def test_the_signed_out_are_asked_to_sign_in(rows: dict[str, int]) -> None:
    assert statuses(Client(), RESEARCH + ADMIN, rows) == dict.fromkeys(RESEARCH + ADMIN, 302)


def test_labelers_can_post_nowhere(rows: dict[str, int], lena: User) -> None:
    client = client_of(lena)
    seen = {path: client.post(path.format(**rows)).status_code for path in POSTS}
    assert seen == dict.fromkeys(POSTS, 404)


def test_posts_are_not_pages(rows: dict[str, int], ada: User) -> None:
    assert statuses(client_of(ada), POSTS, rows) == dict.fromkeys(POSTS, 405)


def test_a_missing_row_is_404(rows: dict[str, int], ada: User) -> None:
    missing = ["/campaigns/0", "/runs/0", "/runs/0/metrics", "/checkpoints/0", "/snapshots/0", "/people/0"]
    assert statuses(client_of(ada), missing, rows) == dict.fromkeys(missing, 404)
