"""The connection to PostgreSQL: kept between requests, and checked before each without a question."""

import select

from django.db.backends.postgresql.base import DatabaseWrapper as PostgreSQL


class DatabaseWrapper(PostgreSQL):
    """Django's own asks SELECT 1 before each request, which costs as much as a query."""

    def is_usable(self) -> bool:
        """Return whether the connection stands. A server speaks unasked only to say goodbye."""
        if self.connection is None or self.connection.closed:
            return False
        line = select.poll()
        line.register(self.connection.fileno(), select.POLLIN)
        return not line.poll(0)
