"""`leadflow metrics`: formats, pictures, and what wrong words get."""

import csv
import io
from pathlib import Path

import pytest

from tests.integration.metrics.conftest import Ran, run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with two leads, one of whom bought, set by the environment."""
    url = f"sqlite:///{tmp_path / 'leads.db'}"
    monkeypatch.setenv("LEADFLOW_STORE", url)
    monkeypatch.chdir(tmp_path)
    for words in (
        ("capture", "--id", "shop:1", "--source", "fair", "--occurred-at", "2026-01-01"),
        ("capture", "--id", "shop:2", "--occurred-at", "2026-01-02"),
        ("purchase", "shop:1", "--order-id", "B1", "--occurred-at", "2026-01-11T12:00:00Z"),
    ):
        called = run("lead", *words)
        assert called.code == 0, called.err
    return url


def funnel(*words: str) -> Ran:
    return run("metrics", "funnel", *words)


def test_a_table_for_people(store: str) -> None:
    lines = funnel().out.splitlines()
    assert lines[0].startswith("All cycles; log position ")
    assert lines[1].split()[:3] == ["step", "reached", "entered"]
    assert lines[2].split() == ["captured", "2", "2", "1", "0", "0", "1", "2", "–", "100.00", "%"]
    assert lines[-1].split()[-4:] == ["100.00", "%", "50.00", "%"]
    grouped = funnel("--by", "source").out.splitlines()
    assert [line.split()[0] for line in grouped[2:]] == ["fair", "(blank)", "all"]


def test_the_json_shape_that_scripts_rely_on(store: str) -> None:
    shown = funnel("--json").json
    assert {"as_of", "known_at", "position", "steps"} <= set(shown)
    assert {
        *("stage", "reached", "entered", "lost", "disqualified", "open"),
        *("step_conversion", "overall_conversion"),
    } <= set(shown["steps"][0])
    grouped = funnel("--by", "source", "--format", "json").json
    assert (grouped["by"], grouped["position"]) == ("source", shown["position"])
    assert [group["value"] for group in grouped["groups"]] == ["fair", None]
    assert grouped["groups"][0]["steps"][0]["stage"] == "captured"
    durations = run("metrics", "durations", "--json").json
    assert set(durations[0]) >= {
        *("name", "n", "open", "mean", "median", "q1", "q3", "least", "greatest", "unit"),
    }
    assert durations[0]["mean"] == 10.5


def test_csv_and_parquet_say_the_same(store: str, tmp_path: Path) -> None:
    from pyarrow import parquet

    for words in (
        ("funnel",),
        ("funnel", "--by", "source"),
        ("funnel", "--by", "source", "--list-leads"),
        ("durations", "--by", "source"),
        ("durations", "--list-leads"),
        ("funnel", "--list-leads", "--where", "source=nowhere"),
    ):
        table = list(csv.DictReader(io.StringIO(run("metrics", *words, "--format", "csv").out)))
        file = tmp_path / "figures.parquet"
        file.write_bytes(run("metrics", *words, "--format", "parquet").raw)
        rows = parquet.read_table(file).to_pylist()
        assert len(rows) == len(table)
        for row, cells in zip(rows, table, strict=True):
            assert list(row) == list(cells)
            for name, value in row.items():
                assert (value is None) == (cells[name] == "")
                if isinstance(value, int | float) and not isinstance(value, bool):
                    assert float(cells[name]) == value


def test_csv_of_nothing_still_names_its_columns(store: str) -> None:
    listed = funnel("--list-leads", "--where", "source=nowhere", "--format", "csv")
    assert listed.out == "stage,outcome,lead_id,cycle,entered_step,reached_at\n"


@pytest.mark.parametrize("kind", ["html", "png", "svg"])
def test_a_picture_beside_the_figures(store: str, tmp_path: Path, kind: str) -> None:
    called = funnel("--plot", f"funnel.{kind}", "--json")
    assert called.code == 0, called.err
    assert called.json["steps"][0]["reached"] == 2
    assert (tmp_path / f"funnel.{kind}").stat().st_size > 10_000


def test_days_are_whole_and_in_the_zone(store: str) -> None:
    def reached(*words: str) -> int:
        reached: int = funnel(*words, "--json").json["steps"][0]["reached"]
        return reached

    assert reached("--since", "2026-01-01", "--until", "2026-01-01") == 1
    assert reached("--since", "2026-01-02") == 1
    assert reached("--as-of", "2026-01-01") == 1
    zone = ("--tz", "America/Sao_Paulo")
    assert reached("--since", "2026-01-01", "--until", "2026-01-01", *zone) == 1
    shown = funnel("--as-of", "2026-01-05", *zone, "--json").json
    assert shown["as_of"] == "2026-01-06T02:59:59.999999Z"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--steps", "qualifed"), "did you mean qualified?"),
        (("--steps", "captured,lost"), "lost is an exit and no step"),
        (("--basis", "perod"), "did you mean period?"),
        (("--since", "2026-02-01", "--until", "2026-01-01"), "ends before it begins"),
        (("--basis", "period", "--within", "90d"), "only a cohort has"),
        (("--within", "90x"), "unknown unit"),
        (("--as-of", "2026-02-30"), "is no moment"),
        (("--where", "source"), "is no NAME=VALUE"),
        (("--plot", "funnel.pdf"), ".html, .png or .svg"),
        (("--format", "csv", "--json"), "exclude each other"),
        (("--format", "excel"), "unknown format 'excel'"),
    ],
)
def test_wrong_words_are_wrong_usage(store: str, words: tuple[str, ...], said: str) -> None:
    called = funnel(*words)
    assert called.code == 2
    assert called.out == ""
    assert said in called.err


def test_an_unknown_field_fails_and_says_what_there_is(store: str) -> None:
    called = funnel("--by", "sorce")
    assert called.code == 1
    assert "did you mean source?" in called.err
    assert called.out == ""


def test_without_a_store_there_are_no_figures_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEADFLOW_STORE", raising=False)
    called = run("metrics", "funnel")
    assert called.code == 1
    assert "no store at" in called.err
    assert list(tmp_path.iterdir()) == []
