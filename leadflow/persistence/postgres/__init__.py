"""The store in a PostgreSQL database: the only package that knows psycopg."""
