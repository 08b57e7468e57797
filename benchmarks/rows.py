"""A campaign with many prompts and rankings, in a database of its own."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.models import Model

from annotate.models import (
    Campaign,
    Checkpoint,
    CheckpointKind,
    Completion,
    Instructions,
    Prompt,
    RankedCompletion,
    Ranking,
    User,
)

LEAVE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
LABELERS = 20
LABELERS_PER_PROMPT = 3
DONE_K = 4
OPEN_K = 9
COMMON = """
the of and to in a is that for it as was with be by on not he his but at are this have from or had
an they which one you were her all she there would their we him been has when who will more no if out
so said what up its about into than them can only other new some could time these two may then do first
any my now such like our over man me even most made after also did many before must through years where
much your way well down should because each just those people how too little state good very make world
still own see men work long get here between both life being under never day same another know while
last might us great old year off come since against go came right used take three
"""
WORDS = COMMON.split()


@contextmanager
def database() -> Iterator[None]:
    """Make an empty database with the product's tables, and drop it in the end."""
    before = connection.settings_dict["NAME"]
    # One connection from first to last, so that its backend's CPU time can be read.
    connection.settings_dict["CONN_MAX_AGE"] = None
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(LEAVE)
        connection.creation.destroy_test_db(before, verbosity=0)


def fill(name: str, *, open_prompts: int, rankings: int) -> Campaign:
    """Return a campaign with that many prompts to rank and about that many rankings.

    Done prompts have K = 4 completions of 60 words. Open ones have K = 9 of 150 words, and 0, 1 or 2 of the
    three rankings they get.
    """
    campaign = make_campaign(name, LABELERS, LABELERS_PER_PROMPT)
    done = (rankings - open_prompts) // LABELERS_PER_PROMPT
    write_prompts(campaign, done, "done")
    write_prompts(campaign, open_prompts, "open")
    write_completions(campaign)
    write_rankings(campaign)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return campaign


def fill_answered(name: str, rankings: int) -> Campaign:
    """Return a campaign with that many rankings, three a prompt, of K = 4 completions of 60 words.

    Triggers and foreign keys sleep meanwhile (as for pg_restore --disable-triggers): it takes a third of the
    time, and what they would have counted is written at once.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
    campaign = make_campaign(name, LABELERS, LABELERS_PER_PROMPT)
    write_prompts(campaign, rankings // LABELERS_PER_PROMPT, "done")
    write_completions(campaign)
    write_rankings(campaign)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE annotate_prompt SET rankings_held = %s", [LABELERS_PER_PROMPT])
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE")
    return campaign


def make_campaign(name: str, labelers: int, labelers_per_prompt: int) -> Campaign:
    campaign = Campaign.objects.create(name=name, k=OPEN_K, labelers_per_prompt=labelers_per_prompt)
    Instructions.objects.create(campaign=campaign, version=1, text=text(150))
    people = User.objects.bulk_create(User(username=f"{name}-{number}") for number in range(labelers))
    campaign.labelers.set(people)
    return campaign


def write_prompts(campaign: Campaign, count: int, category: str) -> None:
    insert(
        Prompt,
        f"generate_series(1, {count}) AS n",
        campaign_id=f"{campaign.pk}",
        messages=f"jsonb_build_array(jsonb_build_object('role', 'user', 'content', {mixed(60, 'n')}))",
        category=f"'{category}'",
        split="'train'",
        sampling="'sampled'",
    )


def write_completions(campaign: Campaign) -> None:
    policy = Checkpoint.objects.create(kind=CheckpointKind.POLICY, name="base", campaign=campaign)
    for category, k, words in (("done", DONE_K, 60), ("open", OPEN_K, 150)):
        insert(
            Completion,
            f"{prompts(campaign)} JOIN generate_series(0, {k - 1}) AS n ON prompt.category = '{category}'",
            prompt_id="prompt.id",
            policy_id=f"{policy.pk}",
            place="n",
            text=mixed(words, "prompt.id * 9 + n"),
        )


def write_rankings(campaign: Campaign) -> None:
    labelers = list(campaign.labelers.order_by("pk").values_list("pk", flat=True))
    held = f"CASE prompt.category WHEN 'done' THEN {LABELERS_PER_PROMPT} ELSE mod(prompt.id, 3) END"
    insert(
        Ranking,
        f"{prompts(campaign)} JOIN generate_series(0, {LABELERS_PER_PROMPT - 1}) AS n ON n < {held}",
        prompt_id="prompt.id",
        # 0, 7 and 14 places on: three different people.
        labeler_id=f"(ARRAY{labelers})[1 + mod(prompt.id + 7 * n, {LABELERS})]",
        slot="n",
        state="'submitted'",
        seconds="90",
        submitted_at="now() - interval '30 days' * random()",
    )
    insert(
        RankedCompletion,
        f"{prompts(campaign)} JOIN annotate_ranking AS ranking ON ranking.prompt_id = prompt.id "
        "JOIN annotate_completion AS one ON one.prompt_id = prompt.id",
        ranking_id="ranking.id",
        completion_id="one.id",
        place="one.place",
        rank="1 + one.place",
        rating="7 - one.place / 2",
    )


def prompts(campaign: Campaign) -> str:
    return f"(SELECT * FROM annotate_prompt WHERE campaign_id = {campaign.pk}) AS prompt"


def insert(model: type[Model], source: str, **expressions: str) -> None:
    """Insert a row for each row of an SQL source; columns that are not given get the field's default."""
    values, given = [], []
    fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
    for field in fields:
        if field.attname not in expressions:
            given.append(field.get_db_prep_save(field.pre_save(model(), True), connection))
        values.append(expressions.get(field.attname, "%s"))
    columns = ", ".join(field.column for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({columns}) SELECT {', '.join(values)} FROM {source}",
            given,
        )


def choice(words: int, index: str) -> str:
    """Return SQL that picks one of fifty texts by a number."""
    texts = ", ".join(f"'{text(words, seed)}'" for seed in range(50))
    return f"(ARRAY[{texts}])[1 + mod({index}, 50)]"


def mixed(words: int, index: str) -> str:
    """Return SQL that puts together three of fifty texts by a number: one of 125,000 that there are."""
    thirds = [choice(words // 3, f"({index}) / {50**power}") for power in range(3)]
    return f"concat_ws(E'\\n\\n', {', '.join(thirds)})"


def text(words: int, seed: int = 0) -> str:
    """Return so many words in three paragraphs, the second in bold, with a list of three at the end."""
    drawn = random.Random(seed).choices(WORDS, k=words)
    third = words // 3
    first, second = " ".join(drawn[:third]), " ".join(drawn[third : 2 * third])
    points = [drawn[2 * third :][start::3] for start in range(3)]
    return "\n\n".join([first, f"**{second}**", "\n".join(f"- {' '.join(point)}" for point in points)])
