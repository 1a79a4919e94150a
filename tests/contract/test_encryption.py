"""Personal data: sealed with the lead's own key wherever it lies, and gone with that key."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from leadflow.domain.events import LogEvent
from leadflow.domain.values import Personal
from leadflow.errors import Conflict, KeyUnavailable, LogCorrupt
from leadflow.persistence.keys import Keys
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append, Store
from leadflow.persistence.verify import Verified, verify_log
from tests.contract.making import ADA, captured, engaged, erased, history, record

SECRETS = (b"ada@example.org", b"Example", b"+49301234567", "Ünïcode".encode(), b"sesame")


def personal(event: LogEvent) -> Personal | None:
    found: Personal | None = event.personal  # type: ignore[attr-defined]
    return found


def wrapped_key(store: Store, lead: UUID) -> bytes | None:
    mark = "?" if store.dialect == "sqlite" else "%s"
    with store.transaction(write=False) as cursor:
        value = str(lead) if store.dialect == "sqlite" else lead
        cursor.execute(f"SELECT wrapped FROM lead_keys WHERE lead_id = {mark}", (value,))
        found: bytes | None = cursor.fetchone()[0]
        return found


def run(store: Store, statement: str) -> None:
    with store.transaction(write=True) as cursor:
        cursor.execute(statement)


def test_no_personal_text_lies_in_the_files(sqlite_file: Path) -> None:
    with open_store(f"sqlite:///{sqlite_file}", create=True) as store:
        lead = uuid4()
        note = ADA.model_copy(update={"notes": "open sesame", "other": {"sesame": "sesame"}})
        digest = store.keys.address_digest("ada@example.org")
        store.append(Append(events=[captured(lead, personal=note)], addresses=[(digest, lead)]))
        assert _found_in(sqlite_file) == set()  # with the write-ahead log still full
        assert personal(store.load(lead)[0]) == note
    assert _found_in(sqlite_file) == set()


def _found_in(file: Path, texts: tuple[bytes, ...] = SECRETS) -> set[bytes]:
    """Which texts lie in the file or those beside it; read in a process of its own (F1)."""
    import subprocess
    import sys

    script = (
        "import pathlib, sys; sys.stdout.buffer.write(b''.join(p.read_bytes() for p in"
        " sorted(pathlib.Path(sys.argv[1]).parent.iterdir())))"
    )
    done = subprocess.run([sys.executable, "-c", script, file], capture_output=True, check=True)
    assert len(done.stdout) > 4096
    return {text for text in texts if text in done.stdout}


def test_no_personal_text_lies_in_postgresql(postgres_database: str, tmp_path: Path) -> None:
    with open_store(postgres_database, create=True, key_file=tmp_path / "key") as store:
        record(store, captured(uuid4()))
    with psycopg.connect(postgres_database) as connection, connection.cursor() as cursor:
        for table in ("stored_events", "lead_keys", "commands", "leadflow_meta", "lead_addresses"):
            with cursor.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)".encode()) as copy:
                content = b"".join(bytes(part) for part in copy)
            assert not any(secret in content for secret in SECRETS)


def test_each_lead_has_a_key_of_its_own(store: Store) -> None:
    ada, bob, nobody = uuid4(), uuid4(), uuid4()
    record(store, captured(ada), captured(bob), engaged(nobody, 1))
    assert wrapped_key(store, ada) != wrapped_key(store, bob)
    assert store.keys.to_open(ada) == wrapped_key(store, ada)
    with pytest.raises(KeyUnavailable):
        store.keys.to_open(nobody)
    record(store, captured(nobody, 2))
    assert personal(store.load(nobody)[1]) == ADA
    record(store, captured(ada, 2))
    assert [personal(event) for event in store.load(ada)] == [ADA, ADA]


def test_the_same_words_never_look_the_same(store: Store) -> None:
    lead = uuid4()
    record(store, captured(lead), captured(lead, 2))
    one, two = store.lead_events(lead)
    sealed = [event.state[event.state.index(b'"personal":"') :] for event in (one, two)]
    assert sealed[0] != sealed[1]


def test_sealed_data_cannot_be_moved_to_another_event_or_lead(store: Store) -> None:
    ada, bob = uuid4(), uuid4()
    record(store, captured(ada), captured(ada, 2), captured(bob))
    states = [event.state for event in store.events_at(1, 3)]
    parts = [state[state.index(b'"personal":"') :] for state in states]
    for target, origin in ((2, 1), (1, 3)):
        moved = states[target - 1].replace(parts[target - 1], parts[origin - 1])
        mark = "?" if store.dialect == "sqlite" else "%s"
        with store.transaction(write=True) as cursor:
            cursor.execute(
                f"UPDATE stored_events SET state = {mark} WHERE position = {mark}",
                (moved, target),
            )
        with pytest.raises(LogCorrupt, match=rf"position {target} .* altered, or sealed for"):
            store.load(ada, after_version=target - 1, upto_version=target)


def test_swapped_keys_open_nothing(store: Store) -> None:
    ada, bob = uuid4(), uuid4()
    record(store, captured(ada), captured(bob))
    key = wrapped_key(store, bob)
    assert key is not None
    text = f"x'{key.hex()}'" if store.dialect == "sqlite" else f"'\\x{key.hex()}'"
    run(store, f"UPDATE lead_keys SET wrapped = {text} WHERE lead_id = '{ada}'")
    with pytest.raises(LogCorrupt, match="position 1"):
        store.load(ada)


def test_a_key_that_was_removed_by_hand(store: Store) -> None:
    lead = uuid4()
    record(store, *history(lead, 2))
    run(store, "DELETE FROM lead_keys")
    with pytest.raises(KeyUnavailable, match=r"position 1 .* has no key"):
        store.load(lead)
    assert len(store.page(after=0, limit=5).events) == 2


def test_an_altered_key(store: Store) -> None:
    lead = uuid4()
    record(store, captured(lead))
    zeros = "zeroblob(40)" if store.dialect == "sqlite" else "decode(repeat('00', 40), 'hex')"
    run(store, f"UPDATE lead_keys SET wrapped = {zeros}")
    with pytest.raises(KeyUnavailable, match=r"position 1 .* does not open with the store's key"):
        store.load(lead)


def test_an_erased_lead_s_personal_data_reads_as_none(store: Store) -> None:
    ada, bob = uuid4(), uuid4()
    digest = store.keys.address_digest("ada@example.org")
    store.append(
        Append(
            events=[captured(ada), captured(bob), captured(ada, 2)],
            addresses=[(digest, ada), (digest, bob)],
        )
    )
    store.append(Append(events=[erased(ada, 3)], destroy_keys=[ada]))
    assert [personal(event) for event in store.load(ada)] == [None] * 3
    assert [personal(store.mapper.to_domain_event(e)) for e in store.events_at(1, 4)] == [  # type: ignore[arg-type]
        None,
        ADA,
        None,
        None,
    ]
    assert store.leads_by_address(digest) == [bob]
    with pytest.raises(Conflict, match="was erased"):
        record(store, captured(ada, 4))
    assert store.head().position == 4
    assert isinstance(verify_log(store), Verified)


def test_erasing_a_lead_without_personal_data(store: Store) -> None:
    lead = uuid4()
    record(store, engaged(lead, 1))
    store.append(Append(events=[erased(lead, 2)], destroy_keys=[lead]))
    with pytest.raises(Conflict, match="was erased"):
        record(store, captured(lead, 3))


def test_a_lead_erased_by_another_process_is_erased_here_at_once(lasting_url: str) -> None:
    lead = uuid4()
    with open_store(lasting_url) as here, open_store(lasting_url) as there:
        record(here, captured(lead))
        stored = here.lead_events(lead)[0]
        assert personal(here.load(lead)[0]) == ADA
        there.append(Append(events=[erased(lead, 2)], destroy_keys=[lead]))
        assert personal(here.load(lead)[0]) is None
        assert personal(here.mapper.to_domain_event(here.events_at(1, 1)[0])) is None  # type: ignore[arg-type]
        assert stored.wrapped_key is not None  # what was read before is the reader's to forget
        with pytest.raises(Conflict, match="was erased"):
            record(here, captured(lead, 3))


def test_an_erased_key_leaves_no_bytes_in_the_files(sqlite_file: Path) -> None:
    with open_store(f"sqlite:///{sqlite_file}", create=True) as store:
        leads = [uuid4() for _ in range(50)]
        for lead in leads:
            record(store, captured(lead))
        keys = {lead: wrapped_key(store, lead) or b"" for lead in leads}
        gone, kept = leads[:25], leads[25:]
        everything = tuple(keys.values())
        assert _found_in(sqlite_file, everything) == set(everything)
        for lead in gone:
            store.append(Append(events=[erased(lead, 2)], destroy_keys=[lead]))
        assert _found_in(sqlite_file, everything) == {keys[lead] for lead in kept}


def test_an_erased_key_is_wiped_later_when_a_reader_stands_in_the_way(sqlite_file: Path) -> None:
    url = f"sqlite:///{sqlite_file}"
    with open_store(url, create=True) as store, open_store(url) as reader:
        lead, other = uuid4(), uuid4()
        record(store, captured(lead), captured(other))
        key = wrapped_key(store, lead) or b""
        with reader.transaction(write=False) as cursor:
            cursor.execute("SELECT count(*) FROM stored_events")
            cursor.fetchone()
            store.append(Append(events=[erased(lead, 2)], destroy_keys=[lead]))
            assert personal(store.load(lead)[0]) is None
        record(store, captured(other, 2))
        assert _found_in(sqlite_file, (key,)) == set()


def test_the_master_key_is_not_used_as_it_is() -> None:
    master = bytes(range(32))
    lead = uuid4()
    key = Keys(master, lambda leads: {}).to_seal(lead, begins=True)
    with pytest.raises(InvalidUnwrap):
        aes_key_unwrap(master, key.wrapped)
