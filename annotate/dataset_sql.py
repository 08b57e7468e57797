"""The wire formats' lines as PostgreSQL writes them: 20 times as many a second as from rows in Python.

Each statement gives (line, split, ranks) for each id of a query, in the query's order; the line has the bytes
that json.dumps(ensure_ascii=False) gives. `OFFSET 0` keeps the planner from joining before it has the ids:
a join of all of them would be sorted on disk before the first line came out; and where it has no
statistics yet, it may begin with a policy and read all its completions again for each ranking.
"""

from string import Template

_PROMPT_ID = """
to_json(coalesce(nullif($source_id, ''),
    concat('prompt-', prompt.id, '-', to_hex(floor(extract(epoch FROM prompt.created_at))::bigint))))
"""
_AUTHOR = "(SELECT to_json(username) FROM annotate_user WHERE id = prompt.author_id)"
# What the formats say of a prompt, its split aside, which stands last. jsonb writes role before content.
_ABOUT = f"""
'{{"id": ', {_PROMPT_ID}, ', "prompt": ', prompt.messages,
', "source": ' || to_json(nullif(prompt.source, '')),
', "author": ' || {_AUTHOR},
', "category": ' || to_json(nullif(prompt.category, '')),
', "language": ' || to_json(nullif(prompt.language, ''))
"""
_SPLIT = """', "split": "', prompt.split, '"}'"""
_JOIN_PROMPT = """
CROSS JOIN LATERAL (SELECT * FROM annotate_prompt WHERE id = {key} OFFSET 0) AS prompt
"""


def _statement(text: str, prompt: str) -> Template:
    """Fill in what the statements share; $ids, $written and $source_id stay to be filled in."""
    shared = {"about": _ABOUT, "split": _SPLIT, "prompt": _JOIN_PROMPT.format(key=prompt)}
    return Template(Template(text).safe_substitute(shared))


PROMPTS = _statement(
    """
WITH chosen (id) AS MATERIALIZED ($ids)
SELECT concat($about, $split) AS line, prompt.split, '' AS ranks
FROM chosen $prompt
""",
    prompt="chosen.id",
)

# Each text of a prompt once: two labelers who wrote the same words give one line.
DEMONSTRATIONS = _statement(
    """
WITH chosen (id) AS MATERIALIZED ($ids),
once AS MATERIALIZED (
    SELECT min(id) AS id FROM chosen JOIN annotate_demonstration USING (id)
    GROUP BY prompt_id, sha256(convert_to(text, 'UTF8')) ORDER BY min(id)
)
SELECT concat($about, ', "completion": ', to_json(demonstration.text), $split) AS line,
    prompt.split, '' AS ranks
FROM once
CROSS JOIN LATERAL (SELECT * FROM annotate_demonstration WHERE id = once.id OFFSET 0) AS demonstration
$prompt
""",
    prompt="demonstration.prompt_id",
)

# Ranks, ratings and flags follow the completions in their own order, not in the one they were shown in.
RANKINGS = _statement(
    """
WITH chosen (id) AS MATERIALIZED ($ids)
SELECT concat($about,
    ', "completions": [', ranked.completions, '], "ranks": [', ranked.ranks, ']',
    ', "labeler": ' || (SELECT to_json(username) FROM annotate_user WHERE id = ranking.labeler_id),
    ', "ratings": [' || ranked.ratings || ']',
    ', "flags": [' || ranked.flags || ']',
    ', "seconds": ' || ranking.seconds ||
        CASE WHEN ranking.seconds = trunc(ranking.seconds) THEN '.0' ELSE '' END,
    ', "demonstration": ' || to_json((
        SELECT text FROM annotate_demonstration AS written
        WHERE written.prompt_id = prompt.id AND $written ORDER BY written.id + 0 LIMIT 1
    )), $split) AS line, prompt.split, ranked.ranks
FROM chosen
CROSS JOIN LATERAL (SELECT * FROM annotate_ranking WHERE id = chosen.id OFFSET 0) AS ranking
$prompt
CROSS JOIN LATERAL (
    SELECT
        string_agg(concat('{"text": ', to_json(completion.text), ', "policy": ', (
                SELECT to_json(name) FROM annotate_checkpoint WHERE id = completion.policy_id), '}'),
            ', ' ORDER BY completion.place) AS completions,
        string_agg(one.rank::text, ', ' ORDER BY completion.place) AS ranks,
        CASE WHEN count(one.rating) = count(*)
            THEN string_agg(one.rating::text, ', ' ORDER BY completion.place) END AS ratings,
        CASE WHEN bool_or(one.flags <> '{}') THEN string_agg(
            replace(array_to_json(one.flags)::text, ',', ', '), ', ' ORDER BY completion.place) END AS flags
    FROM annotate_rankedcompletion AS one
    CROSS JOIN LATERAL
        (SELECT * FROM annotate_completion WHERE id = one.completion_id OFFSET 0) AS completion
    WHERE one.ranking_id = chosen.id
) AS ranked
""",
    prompt="ranking.prompt_id",
)
