"""Imports of files: rows and lines into SQLite, as the program is called, with its memory."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.figures import Figure

ROWS: Final = 200_000
FEW: Final = 20_000
LINES: Final = 200_000
MANY_ROWS: Final = 2_000_000
"""Imported only where LEADFLOW_BENCH_MANY_ROWS is set: it takes minutes."""

MAPPING: Final = """
name = "bench"
system = "crm"
id = { columns = ["deal"] }
[times.opened]
columns = ["opened"]
formats = ["%Y-%m-%d %H:%M:%S"]
[times.closed]
columns = ["closed"]
formats = ["%Y-%m-%d"]
[[rules]]
name = "captured"
event = "lead.captured"
time = "opened"
[rules.data]
source = "source"
campaign = "campaign"
personal = { name = "name", email = "email" }
[[rules]]
name = "won"
event = "lead.purchased"
group = "stage"
when = { column = "stage", equals = "Won" }
time = "closed"
actor = "owner"
data = { order_id = "deal", amount = { column = "value", as = "money", currency = "EUR" } }
[[rules]]
name = "lost"
event = "lead.lost"
group = "stage"
when = { column = "stage", equals = "Lost" }
time = "closed"
actor = "owner"
data = { reason = "reason" }
"""
COLUMNS: Final = (
    *("deal", "opened", "source", "campaign", "name", "email"),
    *("stage", "closed", "value", "owner", "reason"),
)


@dataclass(frozen=True, slots=True)
class Ran:
    """One call of the program."""

    events: int
    seconds: float
    """The start of the program included."""
    memory_mb: float
    """The most that its processes held together, what they share counted for each."""


def measure(folder: Path) -> list[Figure]:
    """Import rows and lines that are made here."""
    mapping = folder / "bench.toml"
    mapping.write_text(MAPPING, "utf-8")
    few, rows = (_import_rows(folder, mapping, count) for count in (FEW, ROWS))
    lines = _import_lines(folder)
    figures = [
        Figure(
            "import csv, SQLite",
            rows.events / rows.seconds,
            "events/s",
            "csv.DictReader and sqlite3.executemany, a row an event, bare",
            _peer(folder),
            f"{ROWS:,} rows of two events each, personal data among them, in {rows.seconds:.1f} s; "
            "ours adds checks, decisions, encryption, hash chain, ids of messages",
        ),
        Figure("import csv, memory", rows.memory_mb, "MB", f"{FEW:,} rows", few.memory_mb),
        Figure(
            "import events, SQLite",
            lines.events / lines.seconds,
            "events/s",
            note=f"{LINES:,} CloudEvents lines in {lines.seconds:.1f} s, {lines.memory_mb:.0f} MB",
        ),
    ]
    if os.environ.get("LEADFLOW_BENCH_MANY_ROWS"):
        many = _import_rows(folder, mapping, MANY_ROWS)
        name = f"import csv, memory at {MANY_ROWS:,} rows"
        figures.append(Figure(name, many.memory_mb, "MB", f"{FEW:,} rows", few.memory_mb))
    return figures


def _import_rows(folder: Path, mapping: Path, count: int) -> Ran:
    file = folder / f"rows-{count}.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        writer.writerows(_row(number) for number in range(count))
    return _run(folder, "csv", str(file), "--mapping", str(mapping))


def _row(number: int) -> tuple[str, ...]:
    month, day = number % 12 + 1, number % 28 + 1
    return (
        *(f"D{number:07d}", f"2025-{month:02d}-{day:02d} {number % 24:02d}:15:00"),
        *(("web", "fair", "paid_search")[number % 3], f"campaign {number % 20}"),
        *(f"Person {number}", f"p{number}@example.org"),
        *(("Won", "Lost")[number % 2], f"2026-{month:02d}-{day:02d}"),
        *(f"{number % 9_000 + 100}.50", f"owner {number % 9}", ("", "price")[number % 2]),
    )


def _import_lines(folder: Path) -> Ran:
    file = folder / "lines.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for number in range(LINES):
            captured = number % 2 == 0
            data = {"source": "web"} if captured else {"kind": "visit"}
            document = {
                "specversion": "1.0",
                "id": str(number),
                "source": "bench",
                "type": "lead.captured" if captured else "lead.engaged",
                "subject": f"shop:{number // 2}",
                "time": "2026-03-01T09:30:00Z",
                "data": data,
            }
            out.write(json.dumps(document) + "\n")
    return _run(folder, "events", str(file))


def _run(folder: Path, *words: str) -> Ran:
    """Call the program on a store of its own, and look at its memory while it works."""
    for old in folder.glob("imported.db*"):
        old.unlink()
    store = f"sqlite:///{folder / 'imported.db'}"
    call = (sys.executable, "-m", "leadflow_commands", "import", *words, "--json", "-q")
    began = time.perf_counter()
    with subprocess.Popen([*call, "--store", store], stdout=subprocess.PIPE) as process:
        memory = 0.0
        while process.poll() is None:
            memory = max(memory, _megabytes(process.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
    assert process.returncode == 0
    return Ran(report["events"], seconds, memory)


def _megabytes(pid: int) -> float:
    """What a process and its children hold; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return 0.0
    own = next((line.split()[1] for line in status.splitlines() if "VmRSS" in line), "0")
    return int(own) / 1024 + sum(_megabytes(int(child)) for child in children)


def _peer(folder: Path) -> float:
    """Events a second of the plainest program that keeps two events for each row."""
    began = time.perf_counter()
    connection = sqlite3.connect(folder / "peer-rows.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE events (lead TEXT, topic TEXT, at TEXT, data TEXT)")
    count = 0
    with (folder / f"rows-{ROWS}.csv").open(encoding="utf-8", newline="") as file:
        batch: list[tuple[str, str, str, str]] = []
        for row in csv.DictReader(file):
            captured = {"source": row["source"], "campaign": row["campaign"]}
            closed = {"value": row["value"], "reason": row["reason"]}
            batch.append((row["deal"], "captured", row["opened"], json.dumps(captured)))
            batch.append((row["deal"], row["stage"], row["closed"], json.dumps(closed)))
            if len(batch) >= 4_000:
                count += _insert(connection, batch)
    count += _insert(connection, batch)
    connection.close()
    return count / (time.perf_counter() - began)


def _insert(connection: sqlite3.Connection, batch: list[tuple[str, str, str, str]]) -> int:
    with connection:
        connection.executemany("INSERT INTO events VALUES (?,?,?,?)", batch)
    count = len(batch)
    batch.clear()
    return count
