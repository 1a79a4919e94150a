"""A fold of the twin equals a fold of the log: whatever is sealed, of whatever is asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from leadflow.domain import events as e
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append
from tests.integration.archive.twins import rows_from, seal_all, twin_of
from tests.property.histories import BEGIN, examples, histories

EXAMPLES = examples(14)


@given(
    history=histories(),
    size=st.integers(1, 9),
    sealed=st.integers(0, 24),
    lost=st.sets(st.integers(0, 8), max_size=2),
    after=st.integers(0, 6),
    upto=st.none() | st.integers(1, 24),
    as_of=st.none() | st.integers(0, 6 * 24).map(lambda h: BEGIN + timedelta(hours=h)),
)
@EXAMPLES
def test_a_fold_of_the_twin_equals_a_fold_of_the_log(  # noqa: PLR0917 - hypothesis names them
    history: list[e.LeadEvent],
    size: int,
    sealed: int,
    lost: set[int],
    after: int,
    upto: int | None,
    as_of: datetime | None,
) -> None:
    with (
        TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/leads.db", create=True) as store,
    ):
        for event in history:
            store.append(Append(events=[event]))
        sealed = min(sealed, len(history))
        seal_all(store, size, upto=sealed)
        twin = twin_of(store, size)
        for index in lost:
            for path in twin.folder.glob(f"{index * size + 1:012d}*"):
                path.unlink()
        wanted = {"after": after, "upto": upto, "as_of": as_of}
        expected = rows_from(store, origin="log", **wanted)  # type: ignore[arg-type]
        assert rows_from(store, **wanted) == expected  # type: ignore[arg-type]
        moments = [event.recorded_at for event in store.events_at(1, len(history))]
        for moment in {moments[0] - 1, moments[len(moments) // 2], moments[-1]}:
            known_at = datetime.fromtimestamp(0, BEGIN.tzinfo) + timedelta(microseconds=moment)
            known = {**wanted, "known_at": known_at}
            expected = rows_from(store, origin="log", **known)  # type: ignore[arg-type]
            assert rows_from(store, **known) == expected  # type: ignore[arg-type]
        done = seal_all(store, size)
        assert done.end == len(history)
        assert rows_from(twin) == rows_from(store, origin="log")
