"""Which of the log's rows can be decoded as they are, and what their models say to the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import orjson

from leadflow.domain.events import LogEvent
from leadflow.errors import LogCorrupt
from leadflow.persistence.codec import LeadMapper, encode
from leadflow.persistence.keys import Keys
from leadflow.persistence.store import RecordedEvent
from leadflow_projections.foreign import foreign_state, is_foreign
from leadflow_projections.grammar import MOST_BYTES, UUID_PATTERN, patterns

if TYPE_CHECKING:
    import pyarrow as pa

_MOST: Final = 2**63
_MODEL_ROWS: Final = 1_000
"""Up to so many rows their models are asked at once: compiling the patterns takes longer."""


def trusted(rows: pa.Table) -> pa.Table:
    """The log rows, in any order, with states that plain JSON decoding reads rightly, as texts.

    Rows whose state is not as the codec writes it are put to the event's model, and written
    anew where it takes them.

    Raises:
        LogCorrupt: naming the first position whose event is none, and why.
    """
    import pyarrow as pa

    if rows.num_rows <= _MODEL_ROWS:
        return _judged(rows)
    # A pattern is compiled anew for every piece of a column, so there is to be one piece.
    rows = rows.combine_chunks()
    try:
        read = _with_states(rows, rows["state"].cast(pa.string()))
    except pa.ArrowInvalid:  # one of them is no UTF-8
        return _judged(rows)
    suspects = _suspects(read)
    if suspects is None:
        return read
    pc = _compute()
    suspect = pc.is_in(rows["position"], value_set=suspects)
    judged = _judged(rows.filter(suspect))
    return pa.concat_tables([read.filter(pc.invert(suspect)), judged])


def _suspects(rows: pa.Table) -> Any:
    """The positions of the rows that no pattern answers for; None where there are none."""
    import pyarrow as pa

    pc = _compute()
    judged = rows.select(["position", "originator_id", "originator_version", "state"])
    topics: Any = rows["topic"].dictionary_encode().unify_dictionaries().combine_chunks()
    suspects: list[Any] = []
    # Their own scalars are compared with: making one of a Python value would load pandas.
    for code in topics.indices.unique():
        topic = topics.dictionary[code.as_py()].as_py()
        of_topic = judged.filter(pc.equal(topics.indices, code))
        expected = as_expected(of_topic, topic)
        if expected is None:
            suspects.append(of_topic["position"])
        elif not pc.all(expected).as_py():
            suspects.append(of_topic["position"].filter(pc.invert(expected)))
    return pa.chunked_array([c for each in suspects for c in each.chunks]) if suspects else None


def as_expected(rows: pa.Table, topic: str) -> Any:
    """For rows of one topic: a column of flags, which states its pattern answers for.

    None where it can answer for none of them.
    """
    import pyarrow as pa

    pattern = patterns().get(topic)
    if pattern is None:
        return None
    try:
        texts = rows["state"].cast(pa.string())
    except pa.ArrowInvalid:  # one of them is no UTF-8
        return None
    pc = _compute()
    fits = pc.match_substring_regex(texts, f"^(?:{pattern})$")
    streams = pc.match_substring_regex(rows["originator_id"], f"^{UUID_PATTERN}$")
    fits = pc.and_(fits, streams)
    lengths, versions = pc.binary_length(texts), rows["originator_version"]
    if pc.max(lengths).as_py() > MOST_BYTES:
        fits = pc.and_(fits, pc.less_equal(lengths, MOST_BYTES))
    if pc.min(versions).as_py() < 1:
        fits = pc.and_(fits, pc.greater(versions, 0))
    return fits


def _compute() -> Any:
    """pyarrow's functions on columns, whose types are stricter than what they take."""
    import pyarrow.compute

    return pyarrow.compute


def _judged(rows: pa.Table) -> pa.Table:
    import pyarrow as pa

    found = sorted(rows.to_pylist(), key=lambda row: int(row["position"]))
    states = {row["position"]: judged_state(row).decode() for row in found}
    texts = [states[position] for position in rows["position"].to_pylist()]
    return _with_states(rows, pa.array(texts, pa.string()))


def _with_states(rows: pa.Table, states: Any) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index("state"), "state", states)


def decoded(event: RecordedEvent) -> LogEvent:
    """A stored event without its personal data, for which no key is needed.

    Raises:
        LogCorrupt: when it is none.
    """
    return _mapper().to_domain_event(replace(event, state=_without_personal(event.state)))


def judged_state(row: Mapping[str, Any]) -> bytes:
    """The state of one row of the log, as its event's model writes it.

    Raises:
        LogCorrupt: when it is no event, and why.
    """
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
    recorded = RecordedEvent(
        id=position,
        originator_id=lead_id,
        originator_version=row["originator_version"],
        topic=row["topic"],
        state=row["state"],
        recorded_at=row["recorded_at"],
    )
    if is_foreign(recorded.topic):
        return foreign_state(recorded)
    event = decoded(recorded)
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
    return LeadMapper(Keys(bytes(32), dict.fromkeys))
