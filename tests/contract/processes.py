"""Writers in processes of their own, started together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def writers(*arguments: Sequence[str]) -> Generator[list[subprocess.Popen[str]]]:
    """Start one process for each list of arguments of `tests.contract.writers`, all at once.

    Each has opened its store before any begins to write. Those still alive are killed at the
    end.
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.contract.writers", *given],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for given in arguments
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def output(process: subprocess.Popen[str]) -> str:
    """All that a writer printed, once it has ended well."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out
