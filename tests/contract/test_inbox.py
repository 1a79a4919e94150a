"""What ingest keeps in the store: offsets, dead letters and held facts, with the append."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from leadflow.errors import Conflict, InboxTaken
from leadflow.persistence.inbox import (
    DeadLetterRow,
    HeldRow,
    InboxChanges,
    OffsetMove,
    Origin,
)
from leadflow.persistence.inbox_tables import (
    LetterFilter,
    claim,
    count_dead_letters,
    count_held,
    dead_letters,
    discard,
    held_leads,
    mark_published,
    offsets,
    remove_expired,
    ripe,
    skip_to,
)
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append, Store
from tests.contract.making import captured, engaged, record

TOPIC_ID = UUID("0b9a7b3c-7c3e-4b5e-9d60-6f1a2b3c4d5e")
FOREVER = 2**60


def move(expected: int, to: int, *, holder: str = "one", topic_id: UUID = TOPIC_ID) -> OffsetMove:
    return OffsetMove("inbox", 0, topic_id, holder, expected, to)


def letter(offset: int, *, lead: UUID | None = None, expires: int = FOREVER) -> DeadLetterRow:
    origin = Origin("inbox", TOPIC_ID, 0, offset)
    return DeadLetterRow(
        letter_id=origin.message_key,
        origin=origin,
        lead_id=lead,
        source="shop/web",
        type="lead.captured",
        reason="invalid",
        attempt=1,
        failed_at=1_000 + offset,
        expires_at=expires,
        published=False,
        sealed=b"sealed",
    )


def held(offset: int, lead: UUID, *, version: int = 0, until: int = FOREVER) -> HeldRow:
    origin = Origin("inbox", TOPIC_ID, 0, offset)
    return HeldRow(
        held_id=origin.message_key,
        origin=origin,
        lead_id=lead,
        lead_version=version,
        subject="shop:7",
        source="billing",
        type="lead.purchased",
        held_at=5,
        held_until=until,
        sealed=b"sealed",
    )


def test_a_partition_begins_where_it_is_claimed_first(store: Store) -> None:
    assert offsets(store) == []
    row = claim(store, move(0, 40))
    assert (row.next_offset, row.holder, row.topic_id) == (40, "one", TOPIC_ID)
    again = claim(store, move(0, 0, holder="two"))
    assert (again.next_offset, again.holder) == (40, "two")
    assert [(r.topic, r.partition, r.next_offset) for r in offsets(store, "inbox")] == [
        ("inbox", 0, 40)
    ]
    assert offsets(store, "other") == []


def test_events_and_offset_are_recorded_together(store: Store) -> None:
    claim(store, move(0, 0))
    lead = uuid4()
    store.append(Append(events=[captured(lead)], inbox=InboxChanges(offsets=[move(0, 3)])))
    assert offsets(store)[0].next_offset == 3
    with pytest.raises(Conflict):
        store.append(Append(events=[captured(lead)], inbox=InboxChanges(offsets=[move(3, 4)])))
    assert offsets(store)[0].next_offset == 3
    store.append(Append(inbox=InboxChanges(offsets=[move(3, 9)])))
    assert offsets(store)[0].next_offset == 9
    assert store.head().position == 1


@pytest.mark.parametrize(
    "moved",
    [
        pytest.param(move(1, 5), id="it lies elsewhere"),
        pytest.param(move(0, 5, holder="two"), id="another holds it"),
        pytest.param(move(0, 5, topic_id=uuid4()), id="another topic of that name"),
        pytest.param(replace(move(0, 5), partition=1), id="nobody has claimed it"),
    ],
)
def test_whoever_does_not_hold_the_partition_records_nothing(
    store: Store, moved: OffsetMove
) -> None:
    claim(store, move(0, 0))
    changes = InboxChanges(offsets=[moved], dead=[letter(1)], held=[held(2, uuid4())])
    with pytest.raises(InboxTaken, match="another worker has moved the offset of inbox/"):
        store.append(Append(events=[captured(uuid4())], inbox=changes))
    assert store.head().position == 0
    assert offsets(store)[0].next_offset == 0
    assert (dead_letters(store), count_held(store)) == ([], 0)
    with pytest.raises(InboxTaken):
        skip_to(store, moved)


def test_of_two_partitions_both_move_or_none(store: Store) -> None:
    other = replace(move(0, 7), partition=1)
    claim(store, move(0, 0))
    claim(store, replace(other, next_offset=0))
    with pytest.raises(InboxTaken):
        store.append(Append(inbox=InboxChanges(offsets=[move(0, 5), replace(other, expected=1)])))
    assert [row.next_offset for row in offsets(store)] == [0, 0]
    store.append(Append(inbox=InboxChanges(offsets=[move(0, 5), other])))
    assert [row.next_offset for row in offsets(store)] == [5, 7]


def test_a_topic_made_again_begins_anew(store: Store) -> None:
    claim(store, move(0, 0))
    skip_to(store, move(0, 500))
    later = uuid4()
    row = claim(store, move(0, 2, topic_id=later))
    assert (row.topic_id, row.next_offset) == (later, 2)


def test_dead_letters_are_found_by_what_is_asked(store: Store) -> None:
    other = replace(letter(2), source="crm", type=None, reason="refused")
    store.append(Append(inbox=InboxChanges(dead=[letter(1), other, letter(3)])))
    assert [row.origin.offset for row in dead_letters(store)] == [1, 2, 3]
    assert dead_letters(store, limit=1) == [letter(1)]

    def found(**which: object) -> list[int]:
        asked = LetterFilter(**which)  # type: ignore[arg-type]
        return [row.origin.offset for row in dead_letters(store, asked)]

    assert found(reason="refused") == [2]
    assert found(source="shop/web", type="lead.captured") == [1, 3]
    assert found(since=1_002, until=1_002) == [2]
    assert found(topic="other") == []
    assert count_dead_letters(store) == {"invalid": 2, "refused": 1}
    mark_published(store, [letter(1).letter_id])
    assert found(published=True) == [1]
    assert discard(store, [letter(1).letter_id, uuid4()]) == 1
    assert found() == [2, 3]


def test_a_letter_of_the_same_message_replaces_the_earlier(store: Store) -> None:
    store.append(Append(inbox=InboxChanges(dead=[letter(1)])))
    second = replace(letter(1), attempt=2, reason="refused")
    store.append(Append(inbox=InboxChanges(dead=[second])))
    assert dead_letters(store) == [second]


def test_letters_are_settled_with_the_events_that_they_became(store: Store) -> None:
    store.append(Append(inbox=InboxChanges(dead=[letter(1)])))
    settled = InboxChanges(settled_letters=[letter(1).letter_id])
    store.append(Append(events=[captured(uuid4())], inbox=settled))
    assert dead_letters(store) == []
    with pytest.raises(InboxTaken, match="another process has settled"):
        store.append(Append(events=[captured(uuid4())], inbox=settled))
    assert store.head().position == 1


def test_letters_go_when_their_time_is_up(store: Store) -> None:
    store.append(Append(inbox=InboxChanges(dead=[letter(1, expires=5), letter(2)])))
    assert remove_expired(store) == 1
    assert remove_expired(store) == 0
    assert [row.origin.offset for row in dead_letters(store)] == [2]


def test_held_facts_are_ripe_when_their_lead_has_changed(store: Store) -> None:
    waiting, patient, late = uuid4(), uuid4(), uuid4()
    rows = [held(2, waiting), held(1, waiting), held(3, patient), held(4, late, until=5)]
    store.append(Append(inbox=InboxChanges(held=rows)))
    assert held_leads(store, [waiting, late, uuid4()]) == {waiting, late}
    assert [row.origin.offset for row in ripe(store)] == [4]
    record(store, captured(waiting))
    assert {row.origin.offset for row in ripe(store)} == {1, 2, 4}
    offsets_of_waiting = [r.origin.offset for r in ripe(store) if r.lead_id == waiting]
    assert offsets_of_waiting == [1, 2]
    tried = [replace(row, lead_version=1) for row in ripe(store) if row.lead_id == waiting]
    store.append(Append(inbox=InboxChanges(held=tried)))
    assert [row.origin.offset for row in ripe(store)] == [4]
    record(store, engaged(waiting, 2))
    settled = [row.held_id for row in ripe(store)]
    store.append(Append(inbox=InboxChanges(settled_held=settled)))
    assert [row.lead_id for row in ripe(store)] == []
    assert count_held(store) == 1
    with pytest.raises(InboxTaken):
        store.append(Append(inbox=InboxChanges(settled_held=settled)))


def test_held_facts_are_ripe_when_their_name_means_another_lead(store: Store) -> None:
    named, known = uuid4(), uuid4()
    store.append(Append(inbox=InboxChanges(held=[held(1, named)])))
    assert ripe(store) == []
    store.append(Append(events=[captured(known)], aliases=[("shop:7", known)]))
    assert [row.lead_id for row in ripe(store)] == [named]


def test_erasing_a_lead_removes_what_the_inbox_keeps_of_it(store: Store) -> None:
    lead, other = uuid4(), uuid4()
    record(store, captured(lead))
    rows = InboxChanges(
        dead=[letter(1, lead=lead), letter(2)], held=[held(3, lead), held(4, other)]
    )
    store.append(Append(inbox=rows))
    store.append(Append(events=[engaged(lead, 2)], destroy_keys=[lead]))
    assert [row.origin.offset for row in dead_letters(store)] == [2]
    assert count_held(store) == 1


def test_what_is_sealed_apart_opens_for_its_name_only(store: Store) -> None:
    name = uuid4()
    sealed = store.keys.seal_apart(name, b"ada@example.org")
    assert b"ada" not in sealed
    assert store.keys.open_apart(name, sealed) == b"ada@example.org"
    with pytest.raises(ValueError, match="does not open"):
        store.keys.open_apart(uuid4(), sealed)
    with pytest.raises(ValueError, match="does not open"):
        store.keys.open_apart(name, sealed[:-1])


def test_a_migrated_store_has_the_tables_of_a_new_one(lasting_url: str) -> None:
    with open_store(lasting_url) as store:
        claim(store, move(0, 0))
        made = _tables(store)
        with store.transaction(write=True) as cursor:
            for table in ("inbox_offsets", "dead_letters", "held_facts"):
                cursor.execute(f"DROP TABLE {table}")
            cursor.execute("UPDATE leadflow_meta SET value = '1' WHERE name = 'schema_version'")
    from leadflow.persistence.migrating import migrate

    assert migrate(lasting_url) == (1, 2)
    with open_store(lasting_url) as store:
        assert _tables(store) == made
        claim(store, move(0, 0))
        store.append(
            Append(
                inbox=InboxChanges(offsets=[move(0, 1)], dead=[letter(1)], held=[held(2, uuid4())])
            )
        )


def _tables(store: Store) -> list[tuple[object, ...]]:
    names = "('inbox_offsets', 'dead_letters', 'held_facts')"
    query = (
        'SELECT m.name, c.name, c.type, c."notnull", c.pk FROM sqlite_master m'
        f" JOIN pragma_table_info(m.name) c WHERE m.name IN {names} ORDER BY 1, c.cid"
        if store.dialect == "sqlite"
        else "SELECT table_name, column_name, data_type, is_nullable FROM"
        f" information_schema.columns WHERE table_name IN {names} ORDER BY 1, ordinal_position"
    )
    with store.transaction(write=False) as cursor:
        cursor.execute(query)
        return [tuple(row) for row in cursor.fetchall()]
