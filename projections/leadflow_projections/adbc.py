"""ADBC as the child processes use it: its bare layer, which loads in half the time.

The DB-API layer above it loads pyarrow's data sets, and with them pandas where it is installed.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal


class Connection:
    """A connection that commits each statement by itself, until it is told otherwise."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @contextmanager
    def statement(self) -> Generator[Any]:
        """A statement, closed before its connection, as ADBC wants it."""
        from adbc_driver_manager import AdbcStatement

        statement: Any = AdbcStatement(self._connection)
        try:
            yield statement
        finally:
            statement.close()

    def execute(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        with self.statement() as statement:
            statement.set_sql_query(sql)
            statement.execute_update()

    def number(self, sql: str) -> int:
        """The one whole number that a query gives."""
        [(value,)] = self.rows(sql)
        return int(value)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""
        import pyarrow as pa

        with self.statement() as statement:
            statement.set_sql_query(sql)
            stream, _ = statement.execute_query()
            with pa.RecordBatchReader.from_stream(stream) as reader:
                return [tuple(row.values()) for row in reader.read_all().to_pylist()]

    def append(self, table: str, rows: Any) -> None:
        """Write a record batch to the end of a table."""
        from adbc_driver_manager import StatementOptions

        with self.statement() as statement:
            statement.set_options(
                **{
                    StatementOptions.INGEST_TARGET_TABLE.value: table,
                    StatementOptions.INGEST_MODE.value: "adbc.ingest.mode.append",
                }
            )
            statement.bind_stream(rows)
            statement.execute_update()

    def begin_by_hand(self) -> None:
        """From now on nothing is committed until `commit`."""
        self._connection.set_autocommit(False)

    def commit(self) -> None:
        """Commit what was done since the last time."""
        self._connection.commit()

    def roll_back(self) -> None:
        """Undo what was done since the last commit."""
        self._connection.rollback()


@contextmanager
def adbc_connection(dialect: Literal["sqlite", "postgresql"], uri: str) -> Generator[Connection]:
    """A connection of its own to a database; everything is closed in order at the end."""
    from adbc_driver_manager import AdbcConnection

    if dialect == "sqlite":
        import adbc_driver_sqlite as sqlite

        driver: Any = sqlite
    else:
        import adbc_driver_postgresql as postgresql

        driver = postgresql
    with driver.connect(uri) as database, AdbcConnection(database) as connection:
        yield Connection(connection)
