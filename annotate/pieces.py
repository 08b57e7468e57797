"""A snapshot's rankings in pieces, read by several connections at once: PostgreSQL gives each its own core.

Most of a snapshot's time goes into the lines of its rankings. An export does not read so: it is made while
somebody waits for other pages, and would take the cores of those.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from queue import SimpleQueue
from typing import Any

from django.db import connection
from psycopg import Connection, IsolationLevel, sql

from annotate import datasets
from annotate.datasets import Batch, Chosen

CONNECTIONS = 2
PIECE = 5_000
"""Rankings: a piece is held in memory until those before it are written."""
WORTH_IT = 50_000
"""Rankings, from which on the other connections are opened."""
READ_AHEAD = 2 * CONNECTIONS

Idle = SimpleQueue[Connection]
HOW_MANY = "SELECT count(*) FROM chosen_rankings"
PIECES = """
SELECT array_agg(id ORDER BY id)::text FROM (
    SELECT id, (row_number() OVER (ORDER BY id) - 1) / %s AS piece FROM chosen_rankings
) AS numbered GROUP BY piece ORDER BY piece
"""
WRITTEN = """
SELECT coalesce(array_agg(id), '{}')::text FROM chosen_demonstrations JOIN annotate_demonstration USING (id)
WHERE prompt_id IN (SELECT prompt_id FROM annotate_ranking WHERE id = ANY(%s::bigint[]))
"""


@contextmanager
def rankings(frozen: Chosen) -> Iterator[Iterator[Batch] | None]:
    """Give the lines of the rankings that this transaction has in chosen_rankings; None where it has few.

    They come from other connections alone, so that any thread can take them while this connection does other
    work. A transaction within another gets None too: PostgreSQL does not share what that one sees.
    """
    if connection.savepoint_ids or _ask(HOW_MANY) < WORTH_IT:
        yield None
        return
    pieces = list(_pieces(frozen))
    with _connections() as idle, ThreadPoolExecutor(CONNECTIONS) as pool:
        yield _batches(idle, pool, pieces)


def _batches(idle: Idle, pool: ThreadPoolExecutor, pieces: Iterable[Chosen]) -> Iterator[Batch]:
    """Have pieces read, a few ahead of the one that is given."""
    ahead: deque[Future[list[Batch]]] = deque()
    for piece in pieces:
        ahead.append(pool.submit(_read, idle, piece))
        if len(ahead) > READ_AHEAD:
            yield from ahead.popleft().result()
    for future in ahead:
        yield from future.result()


def _pieces(frozen: Chosen) -> Iterator[Chosen]:
    """Yield the chosen rankings' ids piece by piece, written out: no other connection sees our tables."""
    with connection.cursor() as cursor:
        cursor.execute(PIECES, [PIECE])
        pieces = [ids for (ids,) in cursor.fetchall()]
    for ids in pieces:
        shown = _ask(WRITTEN, ids)
        written = "false" if shown == "{}" else f"written.id = ANY('{shown}'::bigint[])"
        yield frozen._replace(ids={"rankings": (f"SELECT unnest('{ids}'::bigint[])", ())}, written=written)


def _read(idle: Idle, piece: Chosen) -> list[Batch]:
    """Return a piece's lines, read by a connection that has nothing else to do."""
    other = idle.get()
    try:
        with other.cursor() as cursor:
            return list(datasets.batched(datasets.read(cursor, "rankings", piece)))
    finally:
        idle.put(other)


@contextmanager
def _connections() -> Iterator[Idle]:
    """Open the other connections, all in the state of affairs in which this transaction is now.

    They do not see what this transaction has written itself, of which a ranking's line shows nothing.
    """
    state = sql.Literal(_ask("SELECT pg_export_snapshot()"))
    idle: Idle = SimpleQueue()
    with ExitStack() as opened:
        for _ in range(CONNECTIONS):
            other = connection.get_new_connection(connection.get_connection_params())
            opened.enter_context(closing(other))
            other.isolation_level = IsolationLevel.REPEATABLE_READ
            other.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(state))
            other.execute(datasets.BY_INDEX)
            idle.put(other)
        yield idle


def _ask(question: str, *params: str | int) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(question, params)
        (answer,) = cursor.fetchone()
    return answer
