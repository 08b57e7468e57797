"""What the OpenAPI document allows, and what it does not, sent to every endpoint: all answers are documented.

PODIUM_API_EXAMPLES says how many requests each operation gets; where it is set they differ from run to run.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, strategies
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from schemathesis import checks
from schemathesis.core.failures import FailureGroup

from annotate.actions import demonstrations, dialogues, rankings, runs, suggestions, tokens
from annotate.actions.demonstrations import write_own_demonstration
from annotate.models import (
    Campaign,
    Checkpoint,
    Delivery,
    DialogueMode,
    Event,
    GoldItem,
    IntakeDecision,
    Rule,
    Transfer,
    User,
    Webhook,
)
from tests.annotate.api import Program
from tests.rows import make_prompt, promoted_policy, sampled_prompt

EXAMPLES = int(os.environ.get("PODIUM_API_EXAMPLES", "0"))
CHECKS: list[Any] = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
THOROUGH = hypothesis_settings(
    max_examples=EXAMPLES or 2,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@cache
def operations() -> list[Any]:
    schema = schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application())
    return [found.ok() for found in schema.get_all_operations()]


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Let a request end without closing the connection that holds the test's transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def ids(campaign: Campaign, lena: User, rosa: User, settings: Settings, tmp_path: Path) -> dict[str, int]:
    """Return the id of one row of each noun that stands in an address; the claims are lena's."""
    settings.DATA_DIR, settings.API_REQUESTS_A_MINUTE = tmp_path, 1_000_000
    # One that screens no candidates has no addresses for that.
    Campaign.objects.filter(pk=campaign.pk).update(is_screening=True)
    policy = promoted_policy(campaign)
    Checkpoint.objects.update(location="/somewhere")
    prompts = [sampled_prompt(campaign, f"Name river {number}.") for number in range(3)]
    write_own_demonstration(make_prompt(campaign), rosa, "The Rhine.")
    ranking = rankings.claim_next(campaign, lena)
    demonstration = demonstrations.claim_next(campaign, lena)
    run = runs.start_run(campaign, "sft", actor=rosa)
    webhook = Webhook.objects.create(campaign=campaign, url="https://example.org", events=[], salt="")
    assert ranking and demonstration and run.snapshot
    rows = {"campaigns": campaign, "prompts": prompts[0], "rankings": ranking, "runs": run}
    rows |= {
        "demonstrations": demonstration,
        "dialogues": dialogues.open_dialogue(campaign, lena, DialogueMode.BOTH_SIDES),
        "webhooks": webhook,
        "deliveries": Delivery.objects.create(
            webhook=webhook,
            event=Event.RUN_FAILED,
            noun_id=run.pk,
            happened_at=timezone.now(),
            payload={},
            due_at=timezone.now(),
        ),
        "tokens": tokens.make_token(lena, "another", ["read"], 1)[0],
        "suggestions": suggestions.ask(campaign, lena, prompts[0].messages),
        "snapshots": run.snapshot,
        "checkpoints": policy,
        "people": lena,
        "gold": GoldItem.objects.create(prompt=prompts[1], ranks=[1, 2, 2, 4], ranking=ranking),
        "intake": IntakeDecision.objects.create(
            campaign=campaign, prompt=prompts[2], rule=Rule.DUPLICATE, sampling="queued"
        ),
        "transfers": Transfer.objects.create(campaign=campaign, kind="snapshot"),
    }
    return {noun: row.pk for noun, row in rows.items()}


@pytest.mark.parametrize("name", ["lena", "rosa", "ada"])
def test_every_answer_is_documented(
    name: str, ids: dict[str, int], ada: User, lena: User, rosa: User
) -> None:
    person = {"ada": ada, "lena": lena, "rosa": rosa}[name]
    headers = Program(person).headers | {"Accept-Encoding": "identity"}
    failures = []
    for operation in operations():
        try:
            explore(operation, ids, headers)
        except FailureGroup as error:
            failures.append(f"{operation.label}: {error}")
    assert not failures, "\n".join(failures)


def explore(operation: Any, ids: dict[str, int], headers: dict[str, str]) -> None:
    """Send requests to one operation, the first and most others to a row that is there."""
    noun = operation.path.split("/")[2]

    @THOROUGH
    @given(operation.as_strategy(), strategies.sampled_from([False, False, False, True]))
    def send(case: Any, is_elsewhere: bool) -> None:
        # Every operation begins with what comes first in the list.
        if not is_elsewhere and "id" in case.path_parameters:
            case.path_parameters["id"] = ids[noun]
        case.call_and_validate(headers=headers, checks=CHECKS)

    send()
