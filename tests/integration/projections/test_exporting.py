"""Figures for Prometheus: what they say, and that the alert rules ask for nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from leadflow import Leadflow
from leadflow.errors import StoreError
from leadflow_projections.exporting import as_text, projection_metrics, served
from leadflow_projections.runtime import run
from tests.integration.projections.many import record_many

DOCS = Path(__file__).parents[3] / "docs"
ALERTS = DOCS / "reference" / "alerts.yml"


def figures(text: str) -> dict[tuple[str, str], float]:
    """The samples, by name and projection."""
    return {
        (sample.name, sample.labels.get("projection", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_the_figures_say(leads: Leadflow) -> None:
    run(leads.store, ["stage_board"], once=True)
    end = record_many(leads.store, leads=3)
    found = figures(as_text(lambda: projection_metrics(leads.store)))
    assert found["leadflow_store_up", ""] == found["leadflow_build_info", ""] == 1
    assert found["leadflow_log_position", ""] == end
    assert found["leadflow_projection_position", "stage_board"] == 0
    assert found["leadflow_projection_lag_events", "stage_board"] == end
    assert found["leadflow_projection_lag_seconds", "stage_board"] >= 0
    assert found["leadflow_projection_running", "stage_board"] == 0
    run(leads.store, once=True)
    found = figures(as_text(lambda: projection_metrics(leads.store)))
    assert found["leadflow_projection_lag_events", "stage_board"] == 0
    assert found["leadflow_projection_parked_leads", "stage_board"] == 0
    moment = leads.store.now().timestamp()
    committed = found["leadflow_projection_last_commit_timestamp_seconds", "stage_board"]
    assert moment - 60 < committed <= moment
    assert {name for name, _ in found if name.startswith("leadflow_")} == {n for n, _ in found}


def test_they_are_served_and_asked_anew_each_time(lasting: Leadflow) -> None:
    run(lasting.store, once=True)
    with served(0, lambda: projection_metrics(lasting.store), address="127.0.0.1") as port:
        for leads in (1, 2):
            end = record_many(lasting.store, leads=1, since=leads)
            with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                text = answer.read().decode()
            assert figures(text)["leadflow_log_position", ""] == end
        with (
            pytest.raises(StoreError, match=f"cannot be served on port {port}"),
            served(port, lambda: projection_metrics(lasting.store), address="127.0.0.1"),
        ):
            pass


def test_a_store_that_does_not_answer_is_said_to_be_down(leads: Leadflow) -> None:
    leads.store.close()
    found = figures(as_text(lambda: projection_metrics(leads.store)))
    assert found == {("leadflow_build_info", ""): 1, ("leadflow_store_up", ""): 0}


def test_alert_rules_ask_for_figures_that_there_are(leads: Leadflow) -> None:
    run(leads.store, once=True)
    there = {name for name, _ in figures(as_text(lambda: projection_metrics(leads.store)))}
    rules = ALERTS.read_text("utf-8")
    asked = set(re.findall(r"\bleadflow_\w+", rules))
    assert asked <= there, asked - there
    assert len(re.findall("- alert:", rules)) == len(re.findall("runbook_url:", rules)) > 3


def test_alert_rules_lead_to_headings_of_the_runbook() -> None:
    runbook = (DOCS / "how-to" / "runbook.md").read_text("utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", runbook, re.MULTILINE)
    }
    named = set(re.findall(r"runbook\.md#([\w-]+)", ALERTS.read_text("utf-8")))
    assert named <= headings, named - headings
