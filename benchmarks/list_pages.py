"""list-pages: what every page that lists rows costs the server, at a million rankings.

Figures that a worker works out beforehand are worked out before; how long that takes is told apart.
"""

import time
from statistics import median

from django.db import connection
from django.utils import timezone

from annotate.actions.kept_figures import work_out_due
from annotate.models import Campaign, IntakeDecision, KeptFigures, Prompt, Run, Snapshot, User
from benchmarks import exports, rows
from benchmarks.browser import Browser
from benchmarks.desk import backend_pid
from benchmarks.measuring import compared, cpu_of

LIMIT_MS = 100
TIMES = 5
LATER_ROWS = 60
"""Of what a campaign has few: runs, snapshots, people."""
OWN_PROMPTS = 10_000
RESEARCH = """
/ /campaigns /campaigns/# /campaigns/#/metrics /campaigns/#/prompts /campaigns/#/prompts?sampling=sampled
/campaigns/#/prompts?sampling=failed /campaigns/#/prompts?before=& /campaigns/#/intake
/campaigns/#/intake?rule=personal_data /campaigns/#/review /campaigns/#/runs /campaigns/#/checkpoints
/campaigns/#/retraining /campaigns/#/agreement /campaigns/#/tables /campaigns/#/data /campaigns/#/members
/campaigns/#/webhooks /runs /checkpoints /people /tokens
"""
LABELER = "/ /prompts /campaigns/#/today"


def list_pages() -> dict[str, object]:
    campaign = exports.campaign()
    fill(campaign)
    began = time.monotonic()
    work_out_due()
    worked_out = time.monotonic() - began
    took = pages(campaign)
    slowest = max(took, key=lambda page: took[page])
    return compared(took[slowest], LIMIT_MS, "ms of CPU, the web process's and the database's") | {
        "limit": LIMIT_MS,
        "rankings": exports.RANKINGS,
        "slowest": slowest,
        "pages": took,
        "worked_out_s": round(worked_out, 1),
        "each_s": dict(KeptFigures.objects.values_list("subject", "seconds")),
    }


def pages(campaign: Campaign) -> dict[str, float]:
    """Return what each page costs, the median of a few times."""
    admin = User.objects.create(username="an admin", role="admin")
    labeler = User.objects.get(username=f"{campaign.name}-0")
    middle = Prompt.objects.order_by("pk")[exports.RANKINGS // rows.LABELERS_PER_PROMPT // 2].pk
    took: dict[str, float] = {}
    with connection.cursor() as cursor:
        # Parallel workers' CPU time is not the backend's.
        cursor.execute("SET max_parallel_workers_per_gather = 0")
    for who, person, listed in (("admin", admin, RESEARCH), ("labeler", labeler, LABELER)):
        browser = Browser(person)
        for page in listed.split():
            path = page.replace("#", str(campaign.pk)).replace("&", str(middle))
            took[f"{who} {page}"] = round(median(cost(browser, path) for _time in range(TIMES)), 1)
    return took


def cost(browser: Browser, path: str) -> float:
    reply, cpu = cpu_of(lambda: browser.get(path), backend_pid())
    assert reply.status == 200, f"{path} answered {reply.status}"
    return cpu.own + cpu.other


def fill(campaign: Campaign) -> None:
    """Add what rankings do not bring: decisions, a labeler's own prompts, runs, snapshots, people."""
    own = User.objects.get(username=f"{campaign.name}-0")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE annotate_prompt SET author_id = %s WHERE id IN (SELECT id FROM annotate_prompt LIMIT %s)",
            [own.pk, OWN_PROMPTS],
        )
    rows.insert(
        IntakeDecision,
        f"{rows.prompts(campaign)}",
        campaign_id=f"{campaign.pk}",
        prompt_id="prompt.id",
        rule="'personal_data'",
        detail="""'{"email": 1}'""",
    )
    done = {"state": "failed", "finished_at": timezone.now()}
    Run.objects.bulk_create(Run(campaign=campaign, stage="reward", **done) for _ in range(LATER_ROWS))
    files = {
        kind: {"rows": 1, "comparisons": 1, "bytes": 1} for kind in ("rankings", "demonstrations", "prompts")
    }
    Snapshot.objects.bulk_create(
        Snapshot(campaign=campaign, sha256=f"{number:064}", manifest=files) for number in range(LATER_ROWS)
    )
    User.objects.bulk_create(
        User(username=f"from a file {number}", is_active=False) for number in range(1000)
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
