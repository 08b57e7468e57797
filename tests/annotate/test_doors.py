"""Who gets in where: every address, every method, six people. A new address without a line here fails.

The owner is lena, whose prompt, answers, dialogue, suggestion and token stand in the addresses; lars labels
and reviews in the same campaign, and sten, the stranger, in another.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django import Settings

from annotate.actions import demonstrations, dialogues, people, rankings, runs, suggestions, tokens
from annotate.actions.demonstrations import write_own_demonstration
from annotate.models import (
    Campaign,
    Checkpoint,
    Delivery,
    DialogueMode,
    Event,
    GoldItem,
    IntakeDecision,
    Notice,
    Rule,
    Scope,
    Transfer,
    User,
    Webhook,
)
from tests.people import client_of, make_campaign
from tests.rows import make_prompt, promoted_policy, sampled_prompt

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
EVERYONE = {"owner", "other", "researcher", "admin", "stranger", "signed out"}
WHO: dict[str, set[str]] = {
    "nobody": set(),
    "everyone": EVERYONE,
    "people": EVERYONE - {"signed out"},
    "members": {"owner", "other"},
    "members and research": {"owner", "other", "researcher", "admin"},
    "reviewers": {"other", "researcher", "admin"},
    "owner": {"owner"},
    "owner and research": {"owner", "researcher", "admin"},
    "owner and admins": {"owner", "admin"},
    "research": {"researcher", "admin"},
    "admins": {"admin"},
}
EVERY = " ".join(METHODS)
# The methods an address takes, who gets in by them, and the addresses; # is an id. Anyone else gets 404 or,
# signed out, is sent to the sign-in; the API answers 401. Other methods get 405.
DOORS = {
    ("POST", "everyone"): "/language",
    (EVERY, "nobody"): "/api/address",
    ("GET", "everyone"): "/health /api/schema",
    ("GET POST", "everyone"): "/sign-in",
    ("GET", "people"): "/ /prompts /api/docs /api/token /api/tokens /api/campaigns",
    ("GET POST", "people"): "/account /account/tokens",
    ("POST", "people"): "/sign-out /theme /account/languages",
    ("PUT", "people"): "/api/account/languages",
    ("GET", "owner and research"): """
        /prompts/# /dialogues/# /dialogues/#/turns/# /api/prompts/# /api/prompts/#/completions
        /api/dialogues/#""",
    ("POST", "owner and research"): "/prompts/#/retry /api/prompts/#/retry",
    ("GET", "owner"): """
        /demonstrations/# /rankings/# /rankings/#/compare /suggestions/#
        /api/demonstrations/# /api/rankings/# /api/suggestions/#""",
    ("POST", "owner"): """
        /prompts/#/rank /dialogues/#/suggest /dialogues/#/turns/#/draft /dialogues/#/turns/#/add
        /dialogues/#/turns/#/change /dialogues/#/turns/#/take-back /dialogues/#/ask-again /dialogues/#/finish
        /dialogues/#/drop /demonstrations/#/draft /demonstrations/#/submit /demonstrations/#/skip
        /demonstrations/#/undo /demonstrations/#/ahead /demonstrations/#/suggest /rankings/#/draft
        /rankings/#/submit /rankings/#/skip /rankings/#/undo /rankings/#/ahead
        /api/demonstrations/#/submit /api/demonstrations/#/skip /api/demonstrations/#/undo
        /api/rankings/#/submit /api/rankings/#/skip /api/rankings/#/undo /api/prompts/#/rank
        /api/demonstrations/#/suggestions /api/dialogues/#/suggestions /api/dialogues/#/turns
        /api/dialogues/#/take-back /api/dialogues/#/ask-again /api/dialogues/#/finish
        /api/dialogues/#/drop""",
    ("PUT", "owner"): """
        /api/demonstrations/#/draft /api/rankings/#/draft /api/dialogues/#/draft /api/dialogues/#/turns/#""",
    ("GET POST", "members"): "/write/# /write/#/few-shot /campaigns/#/self-assessment",
    ("POST", "members"): """
        /write/#/few-shot/preview /write/#/dialogues/open /demonstrate/# /rank/# /api/campaigns/#/prompts
        /api/campaigns/#/demonstrations/next /api/campaigns/#/rankings/next /api/campaigns/#/few-shot-prompts
        /api/campaigns/#/dialogues""",
    ("GET", "members and research"): """
        /write/#/dialogues /campaigns/#/today /api/campaigns/# /api/campaigns/#/instructions
        /api/campaigns/#/prompts /api/campaigns/#/dialogues""",
    ("GET", "research"): """
        /campaigns /campaigns/# /campaigns/#/metrics /campaigns/#/prompts /campaigns/#/runs
        /campaigns/#/checkpoints /campaigns/#/agreement /campaigns/#/data /campaigns/#/review
        /campaigns/#/intake /campaigns/#/tables /campaigns/#/figures/subject /campaigns/#/gold
        /snapshots/#/card /api/transfers/# /transfers/# /transfers/#/status /transfers/#/problems.csv
        /campaigns/#/screening /api/campaigns/#/screening /api/campaigns/#/screening/next
        /api/campaigns/#/screening/decisions
        /snapshots/# /runs /runs/# /runs/#/status /runs/#/metrics /checkpoints /checkpoints/#
        /api/campaigns/#/agreement /api/campaigns/#/completions
        /api/campaigns/#/demonstrations
        /api/campaigns/#/tables /api/campaigns/#/figures/subject /api/campaigns/#/intake /api/campaigns/#/gold
        /api/campaigns/#/win-rates
        /api/campaigns/#/members /api/campaigns/#/progress /api/campaigns/#/promotions
        /api/campaigns/#/policies
        /api/campaigns/#/rankings /api/campaigns/#/runs /api/campaigns/#/retraining
        /api/campaigns/#/retrainings /api/campaigns/#/snapshots /api/prompts/#/notice
        /api/snapshots/# /api/snapshots/#/card /api/transfers/#/problems
        /api/runs /api/runs/# /api/runs/#/metrics /api/checkpoints /api/checkpoints/#""",
    ("GET POST", "research"): """
        /campaigns/#/screening/grade
        /campaigns/new /campaigns/#/settings /campaigns/#/instructions /campaigns/#/members
        /campaigns/#/runs/start/stage /campaigns/#/retraining /campaigns/#/policies""",
    ("POST", "research"): """
        /campaigns/#/figures/subject/anew
        /campaigns/#/prompts/retry /campaigns/#/retraining/now /campaigns/#/data/snapshot /runs/#/cancel
        /transfers/#/cancel /transfers/#/retry /api/transfers/#/cancel /api/transfers/#/retry
        /rankings/#/gold /gold/#/remove /api/rankings/#/gold /api/campaigns/#/prompts/retry
        /api/campaigns/#/figures/subject/anew /api/grades
        /runs/#/retry /checkpoints/#/promote/# /api/campaigns /api/campaigns/#/customer-prompts
        /api/campaigns/#/instructions /api/campaigns/#/promotions /api/campaigns/#/runs
        /api/campaigns/#/retrainings /api/campaigns/#/snapshots /api/runs/#/cancel /api/runs/#/retry""",
    ("POST", "reviewers"): "/campaigns/#/review/next /api/campaigns/#/reviews/next",
    ("GET", "reviewers"): "/api/campaigns/#/reviews",
    ("PUT", "research"): "/api/campaigns/#/members /api/campaigns/#/policies",
    ("PATCH", "research"): "/api/campaigns/# /api/campaigns/#/members",
    ("GET PUT", "members"): "/api/campaigns/#/self-assessment",
    ("GET DELETE", "research"): "/api/gold/#",
    ("POST", "owner and admins"): "/tokens/#/revoke /api/tokens/#/revoke",
    ("GET", "admins"): """
        /campaigns/#/data/kind.form /snapshots/#/kind.form /tokens /people /people/#
        /api/webhooks/#/deliveries /api/people /api/people/# /api/campaigns/#/imports
        /api/campaigns/#/exports/kind""",
    ("GET POST", "admins"): """
        /people/new /webhooks/# /campaigns/#/webhooks
        /api/campaigns/#/webhooks /api/snapshots/#/files/kind""",
    ("POST", "admins"): """
        /snapshots/#/kind.form/make
        /campaigns/#/screening/decide /api/campaigns/#/screening/decisions
        /campaigns/#/data/import /api/campaigns/#/imports
        /people/#/role /people/#/work /people/#/password /people/#/deactivate
        /people/#/reactivate /webhooks/#/pause /webhooks/#/resume /webhooks/#/remove
        /deliveries/#/redeliver /intake/#/reverse /intake/#/uphold
        /api/intake/#/reverse /api/intake/#/uphold /api/people /api/people/#/password
        /api/deliveries/#/redeliver""",
    ("GET DELETE", "admins"): "/api/webhooks/#",
    ("PATCH", "admins"): "/api/people/# /api/webhooks/#",
}
WORDS = {
    "stage": "sft",
    "kind": "prompts",
    "form": "parquet",
    "place": "0",
    "subject": "tables",
    "address": "nowhere",
}


def routes(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    for each in resolver.url_patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, route)
        else:
            assert isinstance(each, URLPattern)
            yield route


@pytest.fixture
def rows(
    campaign: Campaign, ada: User, lena: User, rosa: User, settings: Settings, tmp_path: Path
) -> dict[str, int]:
    """Return the id of one row of each noun."""
    settings.DATA_DIR, now = tmp_path, timezone.now()
    # One that screens no candidates has no addresses for that.
    Campaign.objects.filter(pk=campaign.pk).update(is_screening=True)
    policy = promoted_policy(campaign)
    Checkpoint.objects.update(location="/somewhere")
    prompt = sampled_prompt(campaign, author=lena)
    Notice.objects.create(prompt=prompt, version="1", shown_at=now, recorded_by=ada)
    write_own_demonstration(make_prompt(campaign), rosa, "The Rhine.")
    ranking, demonstration = rankings.claim_prompt(prompt, lena), demonstrations.claim_next(campaign, lena)
    dialogue = dialogues.open_dialogue(campaign, lena, DialogueMode.BOTH_SIDES)
    dialogues.add_turn(dialogue, 0, "Hello.", None, None)
    suggestion = suggestions.ask(campaign, lena, prompt.messages)
    run = runs.start_run(campaign, "sft", actor=rosa)
    token, _text = tokens.make_token(lena, "hers", ["read"], 1)
    person, _password = people.invite(ada, "mona", "labeler")
    assert ranking and demonstration and run.snapshot
    named = {"campaigns": campaign, "prompts": prompt, "rankings": ranking, "demonstrations": demonstration}
    named |= {"dialogues": dialogue, "suggestions": suggestion, "runs": run, "snapshots": run.snapshot}
    webhook = Webhook.objects.create(campaign=campaign, url="https://example.org", events=[], salt="")
    delivery = Delivery.objects.create(
        webhook=webhook, event=Event.RUN_FAILED, noun_id=run.pk, happened_at=now, payload={}, due_at=now
    )
    decision = IntakeDecision.objects.create(
        campaign=campaign, prompt=prompt, rule=Rule.DUPLICATE, sampling="queued"
    )
    transfer = Transfer.objects.create(campaign=campaign, kind="snapshot")
    gold = GoldItem.objects.create(prompt=prompt, ranks=[1, 2, 3, 4])
    named |= {"webhooks": webhook, "deliveries": delivery, "intake": decision, "gold": gold}
    named |= {"transfers": transfer, "checkpoints": policy, "tokens": token, "people": person}
    return {noun: row.pk for noun, row in named.items()}


@pytest.fixture
def clients(
    campaign: Campaign, ada: User, lena: User, lars: User, rosa: User, sten: User, settings: Settings
) -> dict[str, Client]:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    make_campaign("Elsewhere").labelers.set([sten])
    campaign.reviewers.set([lars])
    named = {"owner": lena, "other": lars, "researcher": rosa, "admin": ada, "stranger": sten}
    found = {"signed out": Client()}
    for name, user in named.items():
        _token, text = tokens.make_token(user, "all", Scope.values, 1)
        # Sent with every request, also after one that signed out: for the pages, and for the API.
        cookie = f"sessionid={client_of(user).cookies['sessionid'].value}"
        found[name] = Client(headers={"Cookie": cookie, "Authorization": f"Bearer {text}"})
    return found


def address(route: str, rows: dict[str, int]) -> str:
    """Return the route with the ids of rows that are there."""

    def filled(match: re.Match[str]) -> str:
        before, mark, name = match.groups()
        word = WORDS.get(name) or str(rows.get(before, rows["campaigns"]))
        return f"{before}{mark}{word}"

    return re.sub(r"(\w*)([/.])<\w+:(\w+)>", filled, route)


def ask(client: Client, method: str, path: str) -> int | str:
    """Send a request that leaves nothing behind; return "in", "sign in", or the status of a refusal."""
    with transaction.atomic():
        response = client.generic(method, path)
        if response.streaming:
            b"".join(response.streaming_content)
        transaction.set_rollback(True)
    if response.status_code == 302 and response["Location"].startswith("/sign-in?next="):
        return "sign in"
    # An empty body is refused in words, and what cannot be done as things are: by then one is in.
    return "in" if response.status_code in (200, 201, 202, 204, 302, 409, 422) else response.status_code


def who_by(short: str, method: str) -> str | None:
    """Return who gets in by this method; None where the address does not take it."""
    for (methods, who), addresses in DOORS.items():
        if method in methods.split() and short in addresses.split():
            return who
    return None


def expected(short: str, method: str, name: str) -> int | str:
    who, is_api = who_by(short, method), short.startswith("/api/") and short != "/api/docs"
    is_for_all = any(
        short in addresses.split() for (_methods, who), addresses in DOORS.items() if who == "everyone"
    )
    if who == "nobody":
        return 404
    if name == "signed out" and not is_for_all:
        return 401 if is_api else "sign in"
    if who is None:
        return 405
    return "in" if name in WHO[who] else 404


def shortened(route: str) -> str:
    return re.sub(r"<int:\w+>|<\w+:(\w+)>", lambda match: match[1] or "#", route)


def test_every_address_is_in_the_table_and_nothing_else() -> None:
    listed = {address for addresses in DOORS.values() for address in addresses.split()}
    assert listed == {shortened(route) for route in routes(get_resolver())}


@pytest.mark.parametrize("name", sorted(EVERYONE))
def test_who_gets_in(name: str, rows: dict[str, int], clients: dict[str, Client]) -> None:
    for route in routes(get_resolver()):
        seen = {method: ask(clients[name], method, address(route, rows)) for method in METHODS}
        assert seen == {method: expected(shortened(route), method, name) for method in METHODS}, route


def test_a_form_sent_empty_is_refused_as_any_other(campaign: Campaign, clients: dict[str, Client]) -> None:
    path = f"/campaigns/{campaign.pk}"
    pages = [f"{path}/{page}" for page in ("settings", "instructions", "retraining", "webhooks")]
    for page in ["/campaigns/new", "/people/new", "/account", "/account/tokens", *pages]:
        assert clients["admin"].generic("POST", page).status_code == 422, page
    for page in (f"/write/{campaign.pk}", f"/write/{campaign.pk}/few-shot"):
        assert clients["owner"].generic("POST", page).status_code == 422, page


def test_a_row_that_is_not_there_is_404(clients: dict[str, Client]) -> None:
    for path in ("/campaigns/0", "/runs/0", "/runs/0/metrics", "/checkpoints/0", "/snapshots/0", "/people/0"):
        assert ask(clients["admin"], "GET", path) == 404
        assert ask(clients["admin"], "GET", "/api" + path) == 404
