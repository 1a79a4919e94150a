"""The last word on a stored event has its model: events that look odd are put to it here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import orjson

from leadflow.errors import LogCorrupt
from leadflow.persistence.codec import LeadMapper, encode
from leadflow.persistence.keys import Keys
from leadflow.persistence.store import RecordedEvent

if TYPE_CHECKING:
    import pyarrow as pa

_MOST: Final = 2**63


def judged(rows: pa.Table) -> pa.Table:
    """The log rows with each state as the codec would write it now, personal data left out.

    Raises:
        LogCorrupt: naming the first position whose event is none, and why.
    """
    import pyarrow as pa

    states = [_judge(row) for row in cast("list[dict[str, Any]]", rows.to_pylist())]
    at = rows.schema.get_field_index("state")
    return rows.set_column(at, rows.schema.field(at), pa.array(states, pa.binary()))


def _judge(row: Mapping[str, Any]) -> bytes:
    position = int(row["position"])
    try:
        lead_id = UUID(row["originator_id"])
    except ValueError:
        raise LogCorrupt(
            f"the event at position {position} cannot be read: "
            f"{row['originator_id']!r} is no id of a stream",
            position=position,
            hint="Run `leadflow log verify` to see whether the log was altered.",
        ) from None
    event = _mapper().to_domain_event(
        RecordedEvent(
            id=position,
            originator_id=lead_id,
            originator_version=row["originator_version"],
            topic=row["topic"],
            state=_without_personal(row["state"]),
            recorded_at=row["recorded_at"],
        )
    )
    if not all(-_MOST <= number < _MOST for number in _numbers(event.model_dump())):
        raise LogCorrupt(
            f"the event at position {position} has a number beyond 64 bits, which cannot be added",
            position=position,
        )
    return encode(event, None)


def _without_personal(state: bytes) -> bytes:
    """Read models hold no personal data, so no key is needed to fold."""
    try:
        document: Any = orjson.loads(state)
    except orjson.JSONDecodeError:
        return state  # the codec says what is wrong with it
    if not isinstance(document, dict) or "personal" not in document:
        return state
    fields = cast("dict[str, Any]", document)
    del fields["personal"]
    return orjson.dumps(fields)


def _numbers(value: Any) -> Iterable[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, Mapping):
        for part in cast("Mapping[str, Any]", value).values():
            yield from _numbers(part)
    elif isinstance(value, list | tuple):
        for part in cast("Iterable[Any]", value):
            yield from _numbers(part)


@cache
def _mapper() -> LeadMapper:
    """A codec without any lead's key: it never meets a personal part."""
    return LeadMapper(Keys(bytes(32), lambda leads: dict.fromkeys(leads)))
