"""`leadflow store`: make a store, see what it is, migrate it, copy it."""

from __future__ import annotations

from pathlib import Path

import click

from leadflow.errors import StoreNotFound
from leadflow_commands.frame import Command, Group, pass_session
from leadflow_commands.moments import iso
from leadflow_commands.session import Session


@click.group(
    cls=Group,
    examples="""
    leadflow store init
    leadflow store info --store postgresql://leads@db.example/leads
    leadflow store backup /backups/leads-2026-11-22.db
    """,
)
def store() -> None:
    """Make, look after and copy a store.

    A store is one SQLite file (the default, leads.db in this directory) or one
    PostgreSQL database. It holds the event log, its keys and the read models.
    """


@store.command(
    cls=Command,
    examples="""
    # leads.db in this directory, with its key file leads.db.key
    leadflow store init
    # tables in a database that exists
    leadflow store init --store postgresql://leads@db.example/leads
    """,
)
@pass_session
def init(session: Session, /) -> None:
    """Make a store, with a key of its own for personal data.

    A store that is there already is left as it is.
    """
    from leadflow.persistence.describing import describe

    created = False
    try:
        with session.store() as there:
            described = describe(there)
    except StoreNotFound:
        with session.store(create=True, write=True) as made:
            described = describe(made)
        created = True

    def text() -> None:
        done = "Made the store" if created else "There is already a store"
        session.output.line(f"{done} {described.url}, its key from {described.key_place}.")
        if created:
            session.output.note("Whoever loses the key loses all personal data: keep a copy of it.")

    document = {
        "created": created,
        "url": described.url,
        "key": described.key_place,
        "schema_version": described.schema_version,
    }
    session.output.result(document, text)


@store.command(
    cls=Command,
    examples="""
    leadflow store info
    leadflow store info --json
    """,
)
@pass_session
def info(session: Session, /) -> None:
    """Say what the store is, how large, and where its key lies."""
    from leadflow.persistence.describing import describe

    with session.store() as there:
        described = describe(there)
    facts = {
        "url": described.url,
        "server": described.server,
        "schema_version": described.schema_version,
        "store_id": described.store_id,
        "created_at": described.created_at.replace("+00:00", "Z"),
        "key": described.key_place,
        "last_position": described.position,
        "leads": described.leads,
        "last_recorded_at": iso(described.last_recorded_at),
        "bytes": described.size,
    }

    def text() -> None:
        small = described.size < 1_000_000
        size = f"{described.size / 1e3:,.0f} kB" if small else f"{described.size / 1e6:,.1f} MB"
        shown = {**facts, "size": size}
        del shown["bytes"]
        session.output.pairs((name.replace("_", " "), value) for name, value in shown.items())

    session.output.result(facts, text)
    for warning in described.warnings:
        session.output.warn(warning)


@store.command(
    cls=Command,
    examples="leadflow store migrate",
)
@pass_session
def migrate(session: Session, /) -> None:
    """Bring an older store's tables to the form that this program uses.

    Events are never rewritten; they are read in the form they were written in.
    """
    from leadflow.persistence.migrating import migrate as migrate_store

    before, after = migrate_store(session.settings.store)

    def text() -> None:
        if before == after:
            session.output.line(f"The store is at schema version {after} already.")
        else:
            session.output.line(f"Migrated from schema version {before} to {after}.")

    session.output.result({"from_version": before, "to_version": after}, text)


@store.command(
    cls=Command,
    examples="""
    leadflow store backup /backups/leads-2026-11-22.db
    """,
)
@click.argument(
    "target", type=click.Path(dir_okay=False, path_type=Path), help="The file to write."
)
@pass_session
def backup(session: Session, /, target: Path) -> None:
    """Copy a SQLite store and its key file, while others go on writing.

    For PostgreSQL use pg_dump, which this command cannot better.
    """
    from leadflow.persistence.backing_up import backup as copy_store

    copy = copy_store(session.settings.store, target, key_file=session.settings.key_file)

    def text() -> None:
        session.output.line(f"Copied {copy.position:,} events to {target}.")
        if copy.key_file:
            session.output.line(f"The copy of the key is {copy.key_file}.")
        else:
            session.output.note("The key lies in no file: keep a copy of it yourself.")

    document = {
        "path": str(copy.file),
        "key_file": None if copy.key_file is None else str(copy.key_file),
        "last_position": copy.position,
    }
    session.output.result(document, text)
