"""The stores: one append, on SQLite and on PostgreSQL, chosen by URL."""
