"""Store URLs: what they name, what was probably meant, and no password ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadflow.errors import InvalidStoreURL
from leadflow.persistence.urls import PostgresURL, SQLiteURL, parse_store_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///leads.db", Path("leads.db")),
        ("sqlite:////var/lib/leads.db", Path("/var/lib/leads.db")),
        ("SQLite:///dir/leads.db", Path("dir/leads.db")),
        ("sqlite:///a%20b%3Fc%23d%25e", Path("a b?c#d%e")),
        ("sqlite:///:memory:", None),
        ("sqlite:///über.db", Path("über.db")),
    ],
)
def test_sqlite(url: str, path: Path | None) -> None:
    found = parse_store_url(url)
    assert isinstance(found, SQLiteURL)
    assert found.path == path


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://localhost/leads", "postgresql://localhost/leads"),
        ("postgres://ada:s3cret@db:5433/leads", "postgres://ada@db:5433/leads"),
        ("postgresql://:s3cret@db/leads", "postgresql://@db/leads"),
        (
            "postgresql://ada@db/leads?sslmode=require&password=s3cret",
            "postgresql://ada@db/leads?sslmode=require",
        ),
        ("postgresql:///leads?host=/run/pg", "postgresql:///leads?host=%2Frun%2Fpg"),
        ("postgresql://ada:s3%40cret@[::1]:5432/leads", "postgresql://ada@[::1]:5432/leads"),
    ],
)
def test_postgresql(url: str, shown: str) -> None:
    found = parse_store_url(url)
    assert isinstance(found, PostgresURL)
    assert found.url == shown
    assert found.conninfo == url
    assert found.database == "leads"
    assert "cret" not in repr(found)


@pytest.mark.parametrize(
    ("url", "said", "hint"),
    [
        ("leads.db", "'leads.db' is no store URL", "sqlite:///leads.db"),
        ("/var/leads.db", "is no store URL", "sqlite:////var/leads.db"),
        ("", "is no store URL", "sqlite:///leads.db"),
        ("sqlite:leads.db", "is no store URL", "sqlite:///leads.db"),
        ("sqlite://leads.db", "names a host", "sqlite:///leads.db"),
        ("sqlite://", "names a host", "sqlite:///leads.db"),
        ("sqlite:///", "names no file", "sqlite:///leads.db"),
        ("sqlite:///folder/", "names no file", "sqlite:///leads.db"),
        ("sqlite:///a%00b", "names no file", "sqlite:///leads.db"),
        ("sqlite:///leads.db?mode=ro", "has options after '?'", "%3F"),
        ("sqlite:///leads#1.db", "has options after '#'", "%23"),
        ("mysql://localhost/leads", "'mysql' is neither sqlite nor postgresql", "postgresql://"),
        ("postgresql+psycopg://localhost/leads", "is neither", "postgresql://"),
        ("postgresql://localhost:port/leads", "is no store URL", "postgresql://"),
        ("postgresql://ada:s3#cret@localhost/leads", "'#'", "%23"),
        ("host=db dbname=leads password=s3cret", "is no store URL", "as a URL"),
        ("postgresql://ada:s3@cret@localhost/leads", "more than one '@'", "%40"),
        ("postgresql://ada:s3/cret@localhost/leads", "cannot be read", "postgresql://"),
        ("mysql://ada:s3/c@r:cret@db/leads", "is neither", "postgresql://"),
        ("mysql://ada:s3cret@db/leads", "is neither", "postgresql://"),
    ],
)
def test_what_is_no_store_url(url: str, said: str, hint: str) -> None:
    with pytest.raises(InvalidStoreURL) as raised:
        parse_store_url(url)
    assert said in raised.value.message
    assert hint in (raised.value.hint or "")
    assert "cret" not in raised.value.message + (raised.value.hint or "")
