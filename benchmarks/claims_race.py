"""claims-race: fifty people ask for prompts at once, a thousand times; leases run out, clients are killed.

Each client is a process with a connection of its own. What counts is what the database has in the end: an
answer more than a prompt's slots (a double), a slot without an answer (lost), an acknowledged submit that is
not there, a submit that was stored twice. Hidden checks are handed out in between, and count for none of it.
"""

import multiprocessing
import os
import random
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

from annotate.actions import claims, rankings
from annotate.actions.rankings import Answer, Judgement
from annotate.errors import Refused
from annotate.models import Campaign, ClaimState, GoldItem, Purpose, Ranking, Revision, User
from benchmarks import rows
from benchmarks.measuring import compared

CLIENTS = 50
HAND_OUTS = 1000
ONE_KILLED_IN = 100
"""Messages from clients between one kill and the next."""
GOLD_ITEMS = 20
CHECKS = {"gold_percent": 10, "repeat_percent": 10, "repeat_after_items": 2}
WALK_AWAY = 0.1
"""How often a client leaves what it has claimed until the lease runs out."""
FORK = multiprocessing.get_context("fork")

Said = tuple[str, int]
"""What a client did, and with which ranking."""


class Client(NamedTuple):
    """A person at work: the process they are, and the pipe that says what it did."""

    labeler: User
    process: BaseProcess
    pipe: Connection


def race() -> dict[str, object]:
    one, three = raced(1), raced(3)
    doubles = one["doubles"] + three["doubles"]
    figures = {"one_labeler_per_prompt": one, "three_labelers_per_prompt": three}
    return compared(doubles, 0, "answers above the prompts' slots") | {"limit": 0} | figures


def raced(labelers_per_prompt: int) -> dict[str, int]:
    campaign = rows.make_campaign(f"race of {labelers_per_prompt}", CLIENTS, labelers_per_prompt)
    rows.write_prompts(campaign, HAND_OUTS // labelers_per_prompt, "open")
    rows.write_completions(campaign)
    hide_checks(campaign)
    said, killed = let_run(campaign)
    return {"killed": killed, "hand_outs": sum(word == "claimed" for word, _pk in said)} | found(
        campaign, {pk for word, pk in said if word == "submitted"}
    )


def hide_checks(campaign: Campaign) -> None:
    """Let some of the prompts be gold, and hand out repeats too."""
    for name, value in CHECKS.items():
        setattr(campaign, name, value)
    campaign.save()
    ranks = list(range(1, campaign.k + 1))
    first = campaign.prompts.order_by("pk")[:GOLD_ITEMS]
    GoldItem.objects.bulk_create(GoldItem(prompt=prompt, ranks=ranks) for prompt in first)


def found(campaign: Campaign, acknowledged: set[int]) -> dict[str, int]:
    """Return what is wrong in the database, and how much is right."""
    submitted = Ranking.objects.filter(prompt__campaign=campaign, state=ClaimState.SUBMITTED)
    data = submitted.filter(purpose=Purpose.DATA)
    answered = Count("rankings", filter=Q(rankings__in=data))
    missing = [
        campaign.labelers_per_prompt - count
        for count in campaign.prompts.annotate(count=answered).values_list("count", flat=True)
    ]
    return {
        "submits": data.count(),
        "checks": submitted.count() - data.count(),
        "doubles": -sum(number for number in missing if number < 0),
        "lost": sum(number for number in missing if number > 0),
        "acknowledged_and_gone": len(acknowledged - set(submitted.values_list("pk", flat=True))),
        "stored_twice": Revision.objects.filter(ranking__prompt__campaign=campaign).count(),
    }


def let_run(campaign: Campaign) -> tuple[list[Said], int]:
    """Run the clients until nothing is left to do; kill some on the way, and others come in their place."""
    running = [start(campaign, labeler) for labeler in campaign.labelers.all()]
    said: list[Said] = []
    killed = 0
    while running:
        heard = wait([client.pipe for client in running], timeout=1)
        for client in [client for client in running if client.pipe in heard]:
            try:
                said.append(client.pipe.recv())
            except EOFError:
                running.remove(client)
                client.process.join()
                if client.process.exitcode == -signal.SIGKILL:
                    running.append(start(campaign, client.labeler))
        if killed < len(said) // ONE_KILLED_IN and running:
            random.choice(running).process.kill()
            killed += 1
            claims.release_stale_claims()
    return said, killed


def start(campaign: Campaign, labeler: User) -> Client:
    # A connection cannot be shared with a child.
    connection.close()
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=work, args=(campaign, labeler, theirs))
    process.start()
    theirs.close()
    return Client(labeler, process, ours)


def work(campaign: Campaign, labeler: User, pipe: Connection) -> None:
    """Claim and submit until all is answered; now and then leave a claim to its lease."""
    random.seed(os.getpid())
    answer = Answer({letter: Judgement(rank=1, rating=4) for letter in "ABCDEFGHI"})
    while is_anything_open(campaign):
        ranking = rankings.claim_next(campaign, labeler)
        if ranking is None:
            time.sleep(0.2)
            continue
        pipe.send(("claimed", ranking.pk))
        if random.random() < WALK_AWAY:
            held = Ranking.objects.filter(pk=ranking.pk, state=ClaimState.CLAIMED)
            held.update(lease_until=timezone.now())
        else:
            submit_twice(ranking, answer, pipe)


def is_anything_open(campaign: Campaign) -> bool:
    claimed = Ranking.objects.filter(prompt__campaign=campaign, state=ClaimState.CLAIMED)
    free = campaign.prompts.filter(rankings_held__lt=campaign.labelers_per_prompt)
    return claimed.exists() or free.exists()


def submit_twice(ranking: Ranking, answer: Answer, pipe: Connection) -> None:
    """Submit as a browser does that lost the first answer; refused is what let go and is taken."""
    with suppress(Refused):
        rankings.submit(ranking, answer)
        pipe.send(("submitted", ranking.pk))
        rankings.submit(ranking, answer)
