"""Questions about what a campaign has collected: the paper's tables, live; nothing here writes.

A prompt is in SFT's data when a demonstration of it is submitted, in the reward model's when a ranking is;
PPO takes any. What intake has set aside is in none.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from annotate import sql
from annotate.lengths import Lengths, histogram, lengths
from annotate.models import Campaign, PromptFlag, Source, Split

DATASETS = ("SFT", "RM", "PPO")
# One pass over the prompts: whatever is asked of them is a sum over these groups. Asking prompt by prompt
# whether it is answered takes the index; the counters say first where there is nothing to find.
ABOUT = """
SELECT prompt.split, prompt.source, prompt.category, prompt.language, prompt.author_id,
    prompt.demonstrations_held > 0 AND EXISTS (SELECT FROM annotate_demonstration AS answer
        WHERE answer.prompt_id = prompt.id AND answer.state = 'submitted') AS is_demonstrated,
    prompt.rankings_held > 0 AND EXISTS (SELECT FROM annotate_ranking AS answer
        WHERE answer.prompt_id = prompt.id AND answer.state = 'submitted' AND answer.purpose = 'data'
    ) AS is_ranked,
    prompt.id, prompt.messages
FROM annotate_prompt AS prompt WHERE prompt.campaign_id = %(campaign)s AND prompt.sampling <> 'set_aside'
"""
GROUPS = f"""
SELECT split, source, category, language, is_demonstrated, is_ranked, length, count(*)
FROM (SELECT about.*, (SELECT coalesce(sum(length(message ->> 'content')), 0)
    FROM jsonb_array_elements(messages) AS message) AS length FROM ({ABOUT}) AS about) AS measured
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608 - constants
FLAGS = f"""
WITH said AS (
    SELECT id AS prompt_id, unnest(flags) AS flag FROM annotate_prompt
    WHERE campaign_id = %(campaign)s AND flags <> '{{}}'
    UNION SELECT prompt_id, unnest(prompt_flags) FROM annotate_ranking
    WHERE state = 'submitted' AND prompt_flags <> '{{}}'
    UNION SELECT prompt_id, unnest(prompt_flags) FROM annotate_demonstration
    WHERE state = 'submitted' AND prompt_flags <> '{{}}'
)
SELECT flag, split, is_demonstrated, is_ranked, count(*)
FROM said JOIN ({ABOUT}) AS about ON about.id = said.prompt_id GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - constants
CUSTOMERS = f"""
SELECT split, count(*) FILTER (WHERE demonstrated > 0), sum(demonstrated),
    count(*) FILTER (WHERE ranked > 0), sum(ranked), count(*), sum(prompts)
FROM (SELECT split, author_id, count(*) AS prompts, count(*) FILTER (WHERE is_demonstrated) AS demonstrated,
    count(*) FILTER (WHERE is_ranked) AS ranked
    FROM ({ABOUT}) AS about WHERE source = 'customer' AND author_id IS NOT NULL GROUP BY 1, 2) AS customers
GROUP BY split
"""  # noqa: S608 - constants
DEMONSTRATIONS = """
SELECT prompt.source, length(answer.text), count(*)
FROM annotate_demonstration AS answer JOIN annotate_prompt AS prompt ON prompt.id = answer.prompt_id
WHERE prompt.campaign_id = %(campaign)s AND answer.state = 'submitted' AND prompt.sampling <> 'set_aside'
GROUP BY 1, 2
"""


class Group(NamedTuple):
    """Prompts that are alike in all that the tables ask."""

    split: str
    source: str
    category: str
    language: str
    is_demonstrated: bool
    is_ranked: bool
    length: int
    prompts: int

    @property
    def datasets(self) -> tuple[bool, bool, bool]:
        """Return whether it is in each of DATASETS."""
        return self.is_demonstrated, self.is_ranked, True


class Share(NamedTuple):
    """How many prompts say something, and their share."""

    name: str
    prompts: int
    share: float


@dataclass(frozen=True, slots=True)
class Collected:
    """The paper's tables of one campaign; what nothing is known of is left out."""

    prompts: int
    sizes: list[tuple[str, str, list[int]]]
    """Table 6: split and source, then the prompts in each of DATASETS."""
    categories: list[Share]
    languages: list[Share]
    flags: list[tuple[str, list[float | None]]]
    """Table 7: a flag, then its share in each of `columns`; None where the set is empty."""
    columns: list[tuple[str, str]]
    customers: list[tuple[str, list[float | None]]]
    """Table 8: split, then prompts a customer in each of DATASETS."""
    by_dataset: list[tuple[str, str, Lengths]]
    by_category: list[tuple[str, Lengths]]
    by_source: list[tuple[str, str, Lengths]]
    """Table 11: source, "prompt" or "demonstration", lengths."""
    histogram: list[tuple[int, dict[str, float]]]


def collected(campaign: Campaign) -> Collected:
    groups = [Group(*row) for row in _rows(GROUPS, campaign)]
    columns = [(dataset, split) for dataset in ("RM", "SFT") for split in Split.values]
    by_split = counted(groups, lambda group: group.split)
    return Collected(
        prompts=sum(group.prompts for group in groups),
        sizes=sizes(groups),
        categories=shares(groups, lambda group: group.category),
        languages=shares(groups, lambda group: group.language),
        flags=flag_shares(groups, _rows(FLAGS, campaign), columns),
        columns=columns,
        customers=[(split, _each(counts)) for split, *counts in _rows(CUSTOMERS, campaign)],
        by_dataset=lengths_by_dataset(groups),
        by_category=_named(counted(groups, lambda group: group.category)),
        by_source=lengths_by_source(groups, _rows(DEMONSTRATIONS, campaign)),
        histogram=histogram({split: by_split[split] for split in Split.values if split in by_split}),
    )


def _rows(statement: str, campaign: Campaign) -> list[sql.Row]:
    (result,) = sql.run(statement, {"campaign": campaign.pk})
    return result.rows


def sizes(groups: list[Group]) -> list[tuple[str, str, list[int]]]:
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for group in groups:
        for place, is_in in enumerate(group.datasets):
            found[group.split, group.source][place] += group.prompts * is_in
    order = [(split, source) for split in Split.values for source in [*Source.values, ""]]
    return [(*key, found[key]) for key in order if key in found]


def shares(groups: list[Group], say: Callable[[Group], str]) -> list[Share]:
    """Return what prompts say, the commonest first; those that say nothing are left out of the whole."""
    counts: Counter[str] = Counter()
    for group in groups:
        if said := say(group):
            counts[said] += group.prompts
    return [Share(name, count, count / counts.total()) for name, count in counts.most_common()]


def flag_shares(
    groups: list[Group], said: list[sql.Row], columns: list[tuple[str, str]]
) -> list[tuple[str, list[float | None]]]:
    in_all: Counter[tuple[str, str]] = Counter()
    for group in groups:
        in_all["SFT", group.split] += group.prompts * group.is_demonstrated
        in_all["RM", group.split] += group.prompts * group.is_ranked
    raised: Counter[tuple[str, str, str]] = Counter()
    for flag, split, is_demonstrated, is_ranked, count in said:
        raised[flag, "SFT", split] += int(count) * bool(is_demonstrated)
        raised[flag, "RM", split] += int(count) * bool(is_ranked)
    return [
        (flag, [raised[flag, *key] / in_all[key] if in_all[key] else None for key in columns])
        for flag in PromptFlag.values
    ]


def _each(counts: list[int]) -> list[float | None]:
    """Return prompts a customer of each data set, given customers and prompts by turns."""
    pairs = zip(map(int, counts[::2]), map(int, counts[1::2]), strict=True)
    return [prompts / customers if customers else None for customers, prompts in pairs]


def counted(groups: list[Group], say: Callable[[Group], str]) -> dict[str, Counter[int]]:
    """Return how often each length was seen, by what the prompts say."""
    seen: dict[str, Counter[int]] = defaultdict(Counter)
    for group in groups:
        seen[say(group)][group.length] += group.prompts
    return seen


def _named(seen: dict[str, Counter[int]]) -> list[tuple[str, Lengths]]:
    found = ((name, lengths(counts)) for name, counts in sorted(seen.items()) if name)
    return [(name, figures) for name, figures in found if figures]


def lengths_by_dataset(groups: list[Group]) -> list[tuple[str, str, Lengths]]:
    rows = []
    for place, dataset in enumerate(DATASETS):
        members = counted([group for group in groups if group.datasets[place]], lambda group: group.split)
        found = ((split, lengths(members.get(split, Counter()))) for split in Split.values)
        rows += [(dataset, split, figures) for split, figures in found if figures]
    return rows


def lengths_by_source(groups: list[Group], written: list[sql.Row]) -> list[tuple[str, str, Lengths]]:
    prompts = counted([group for group in groups if group.is_demonstrated], lambda group: group.source)
    texts: dict[str, Counter[int]] = defaultdict(Counter)
    for source, length, count in written:
        texts[source][int(length)] += int(count)
    rows = []
    for source in [*Source.values, ""]:
        for what, seen in (("prompt", prompts), ("demonstration", texts)):
            if figures := lengths(seen.get(source, Counter())):
                rows.append((source, what, figures))
    return rows
