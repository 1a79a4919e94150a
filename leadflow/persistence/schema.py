"""What a store says about itself: its schema version, its id, its key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final
from uuid import uuid4

from leadflow.errors import KeyUnavailable, SchemaTooNew, StoreError
from leadflow.persistence.keys import check_value
from leadflow.persistence.master_key import KeySource

SCHEMA_VERSION: Final = 2

Meta = Mapping[str, str]


def new_meta(master_key: bytes) -> dict[str, str]:
    """The rows of `leadflow_meta` for a store that is made now."""
    store_id = str(uuid4())
    return {
        "schema_version": str(SCHEMA_VERSION),
        "store_id": store_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "key_check": check_value(master_key, store_id),
    }


def check_schema(meta: Meta, place: str) -> None:
    """Refuse a store that this program cannot work on.

    Raises:
        SchemaTooNew: a newer leadflow wrote it.
        StoreError: an older one did, and it has to be migrated first.
    """
    version = schema_version(meta, place)
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"the store {place} has schema version {version}, and this leadflow knows"
            f" {SCHEMA_VERSION} at most",
            hint="Install the newer leadflow that wrote it.",
        )
    if version < SCHEMA_VERSION:
        raise StoreError(
            f"the store {place} has schema version {version}, older than {SCHEMA_VERSION}",
            hint="Make a backup, then run `leadflow store migrate`.",
        )


def schema_version(meta: Meta, place: str) -> int:
    """The schema version that a store says it has."""
    try:
        return int(meta["schema_version"])
    except (KeyError, ValueError):
        raise StoreError(f"the store {place} does not say which schema version it has") from None


def check_key(meta: Meta, master_key: bytes, source: KeySource, place: str) -> None:
    """Refuse a key that is not the one that the store was made with."""
    expected = check_value(master_key, meta.get("store_id", ""))
    if not secrets.compare_digest(expected, meta.get("key_check", "")):
        raise KeyUnavailable(
            f"the key of {source.place} is the key of another store, not of {place}",
            hint="Bring back the key file that was made with the store, or name it by --key-file.",
        )


def create_script(name: str) -> str:
    """A schema's SQL, from the file of that name in this package."""
    return files("leadflow.persistence").joinpath(name).read_text(encoding="utf-8")
