"""Store URLs: which database, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from leadflow.errors import InvalidStoreURL

_HINT = "Write sqlite:///leads.db for a file, or postgresql://USER@HOST/DATABASE."
_PASSWORDS = ("password", "sslpassword")


@dataclass(frozen=True, slots=True)
class SQLiteURL:
    """A file, or with `path` None a database in memory that ends with its store."""

    url: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class PostgresURL:
    """A PostgreSQL database."""

    url: str
    """Without any password: fit to be shown."""
    conninfo: str
    """As given, password included: never shown."""
    database: str
    """The database named, or an empty text where the server's default is meant."""

    def __repr__(self) -> str:
        return f"PostgresURL({self.url!r})"


def parse_store_url(url: str) -> SQLiteURL | PostgresURL:
    """Read a store URL.

    `sqlite:///leads.db` is a file in the current directory, `sqlite:////var/leads.db` an
    absolute one, `sqlite:///:memory:` one in memory; `postgresql://USER@HOST:PORT/DATABASE`
    takes whatever libpq takes. A character that a URL gives a meaning (`%`, `?`, `#`) is
    written as %XX in a file's name.

    Raises:
        InvalidStoreURL: for anything else; the hint says what was probably meant.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise InvalidStoreURL(f"{_shown(url)} is no store URL", hint=_instead_of(url))
    match scheme.lower():
        case "sqlite":
            return _sqlite(url)
        case "postgresql" | "postgres":
            return _postgres(url)
        case _:
            raise InvalidStoreURL(
                f"{_shown(url)} names no kind of store that leadflow knows: {scheme!r} is neither"
                " sqlite nor postgresql",
                hint=_HINT,
            )


def _sqlite(url: str) -> SQLiteURL:
    rest = url.partition("://")[2]
    if not rest.startswith("/"):
        raise InvalidStoreURL(
            f"{url} names a host, which a SQLite file has not",
            hint=f"Write three slashes: sqlite:///{rest or 'leads.db'}",
        )
    name = rest[1:]
    if name == ":memory:":
        return SQLiteURL(url="sqlite:///:memory:", path=None)
    for mark in "?#":
        if mark in name:
            raise InvalidStoreURL(
                f"{url} has options after {mark!r}, and a SQLite store takes none",
                hint=f"Where {mark!r} is part of the file's name, write it as %{ord(mark):02X}.",
            )
    path = unquote(name)
    if not path or path.endswith("/") or "\0" in path:
        raise InvalidStoreURL(f"{url!r} names no file", hint=_HINT)
    return SQLiteURL(url=url, path=Path(path))


def _postgres(url: str) -> PostgresURL:
    if "#" in url:
        raise InvalidStoreURL(
            f"{_shown(url)} has a '#' in it", hint="Write # as %23, also in a password."
        )
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is what checks it
    except ValueError:
        # What is wrong may be a part of the password, so it is not repeated.
        raise InvalidStoreURL(
            f"{_shown(url)} is no store URL: its host or port cannot be read", hint=_HINT
        ) from None
    if parts.netloc.count("@") > 1:
        raise InvalidStoreURL(
            f"{_shown(url)} has more than one '@' before its host",
            hint="Write @ in a password as %40.",
        )
    return PostgresURL(
        url=_without_password(parts), conninfo=url, database=unquote(parts.path.lstrip("/"))
    )


def _without_password(parts: SplitResult) -> str:
    user, at, host = parts.netloc.rpartition("@")
    query = [pair for pair in parse_qsl(parts.query) if pair[0] not in _PASSWORDS]
    netloc = user.partition(":")[0] + at + host
    options = f"?{urlencode(query)}" if query else ""
    return f"{parts.scheme}://{netloc}{parts.path}{options}"


def _shown(url: str) -> str:
    """The text as given, but for what may be a password."""
    shown = re.sub(r"(//[^:@/]*):.*@", r"\1:***@", url)
    shown = re.sub(r"(password=)[^&\s]*", r"\1***", shown)
    return repr(shown)


def _instead_of(text: str) -> str:
    if re.fullmatch(r"(sqlite|postgres(ql)?):/?[^/].*", text):
        return _HINT
    if "=" in text and "dbname" in text:
        return "Write a PostgreSQL store as a URL: postgresql://USER@HOST/DATABASE."
    if text and "@" not in text and ":" not in text:
        return f"For a file write sqlite:///{text}"
    return _HINT
