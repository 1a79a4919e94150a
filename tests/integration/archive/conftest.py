"""Stores that other processes can open too: a SQLite file, a PostgreSQL database."""

from tests.integration.projections.conftest import lasting

__all__ = ["lasting"]
