"""A runner that is killed at any moment loses nothing and applies nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leadflow import Leadflow
from leadflow_projections.reading import read_model
from leadflow_projections.runtime import rebuild, run, status
from tests.integration.projections.many import record_many
from tests.integration.projections.test_rebuilding import expected, totals

RUN = """
import sys
from leadflow.persistence.opening import open_store
from leadflow_projections import following
from leadflow_projections.runtime import run
following.Follower.__init__.__kwdefaults__["limit"] = 50
following._MOST_LIMIT = 50
step = following.Follower.step
def told(self):
    print(self.position, flush=True)
    return step(self)
following.Follower.step = told
with open_store(sys.argv[1]) as store:
    run(store)
"""


@pytest.mark.parametrize("seed", range(2))
def test_killed_runners(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEADFLOW_KEY_FILE", raising=False)
    url = f"sqlite:///{tmp_path / 'leads.db'}"
    moments = random.Random(seed)
    with Leadflow.open(url, create=True) as leads:
        run(leads.store, once=True)
        end = record_many(leads.store, leads=500)
        for _ in range(4):
            command = [sys.executable, "-c", RUN, url]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                for _ in range(moments.randint(1, 6)):
                    process.stdout.readline()
                os.kill(process.pid, signal.SIGKILL)
        for row in status(leads.store):
            assert row["state"] == "stopped", "its process is gone"
            assert row["position"] < end
        run(leads.store, once=True)
        assert totals(leads) == expected(500)
        live = read_model(leads.store, "conversion").rows
        rebuild(leads.store)
        assert read_model(leads.store, "conversion").rows == live
