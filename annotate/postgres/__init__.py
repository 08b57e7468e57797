"""Django's PostgreSQL with a check of its connection that asks nothing over the line."""
