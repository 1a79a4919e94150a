"""Ten writers, slow ones and refused ones among them, while projections run and are rebuilt."""

from __future__ import annotations

from leadflow.persistence.opening import open_store
from tests.contract.processes import output, writers
from tests.faults.following import check, ended, is_caught_up, runners, start, stopped, until
from tests.faults.test_killed_runners import url

__all__ = ["url"]

WRITERS = 10


def test_no_event_is_skipped_and_none_applied_twice(url: str) -> None:
    with (
        runners(url) as [runner],
        writers(*(("mixed", url, "12", str(seed)) for seed in range(WRITERS))) as busy,
    ):
        ended(start(url, "rebuild", "--promote"))
        for writer in busy:
            output(writer)
        with open_store(url) as store:
            until(lambda: is_caught_up(store), "the runner has caught up")
        said = stopped(runner)
    assert check(url) > WRITERS * 12
    # Not a line for each event: at most that it follows the build that was promoted.
    assert len([line for line in said if "following that one" not in line]) <= 2, said


def test_a_runner_that_first_starts_after_a_rebuild_applies_nothing_twice(url: str) -> None:
    with writers(("mixed", url, "8", "1")) as [busy]:
        ended(start(url, "rebuild"))
        output(busy)
    with open_store(url) as store, runners(url) as [runner]:
        until(lambda: is_caught_up(store), "the runner has caught up")
        stopped(runner)
    check(url)
