"""Projections of a user's own: found, checked, folded live and anew, from any events."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent

from leadflow import Leadflow
from leadflow.errors import LogCorrupt
from leadflow.persistence.store import Store
from leadflow_projections.errors import InvalidProjection, UnknownProjection
from leadflow_projections.registry import SHIPPED, known, named, use
from leadflow_projections.runtime import rebuild, run

ALGEBRA = "from leadflow_projections.algebra import *\n"

OWN = ALGEBRA + dedent("""
    def weekday(event):
        return event.occurred_at.strftime("%A")

    CALLS = Projection("calls", 1, (Table("calls", {"lead_id": LEAD_ID}, {
        "attempts": count("lead.contacted"),
        "last_weekday": last(take(computed(Type.TEXT, "weekday", weekday), "lead.contacted")),
    }),))
    PRODUCTS = Projection("products", 1, (Table("products", {"product": text("product")}, {
        "sold": count("lead.purchased"),
        "revenue": total_by(
            text("amount.currency"), take(integer("amount.minor"), "lead.purchased")
        ),
    }, of=("lead.purchased",)),))
""")
"""Keyed by lead, and by something else."""


@pytest.fixture(autouse=True)
def none_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    use([])


def written(name: str, source: str) -> str:
    Path(name).write_text(source)
    return name


def rows_of(store: Store, table: str, order: str) -> list[tuple[Any, ...]]:
    with store.transaction(write=False) as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY {order}")
        return [tuple(map(str, row)) for row in cursor.fetchall()]


def history(leads: Leadflow, numbers: range) -> None:
    for number in numbers:
        lead = f"shop:{number}"
        with leads.batch() as batch:
            batch.capture(lead=lead, source="fair")
            for _ in range(number % 3):
                batch.contact(lead, channel="phone", outcome="attempt")
            batch.record_fact(
                "lead.purchased",
                lead,
                {
                    "order_id": str(number),
                    "product": f"p{number % 2}",
                    "amount": {"minor": number, "currency": "EUR"},
                },
            )


def test_live_and_anew_they_have_the_same_rows(leads: Leadflow) -> None:
    use([written("own.py", OWN)])
    names = ["calls", "products"]
    history(leads, range(4))
    run(leads.store, names, once=True)
    for begins in range(4, 10, 2):
        history(leads, range(begins, begins + 2))
        run(leads.store, names, once=True)
    live = rows_of(leads.store, "calls", "lead_id"), rows_of(leads.store, "products", "product")
    assert [row[1] for row in live[1]] == ["5", "5"]
    assert live[1][1][2] == '{"EUR":25}', "1 + 3 + 5 + 7 + 9"
    rebuild(leads.store, names, promote=True)
    anew = rows_of(leads.store, "calls", "lead_id"), rows_of(leads.store, "products", "product")
    assert anew == live
    weekdays = {row[2] for row in anew[0] if row[1] != "0"}
    assert len(weekdays) == 1, "the calls were all made today"
    assert weekdays.pop().endswith("day")


def test_rebuilding_one_leaves_the_others_alone(leads: Leadflow) -> None:
    use([written("own.py", OWN)])
    history(leads, range(3))
    run(leads.store, once=True)
    before = {name: rows_of(leads.store, name, "1") for name in (*SHIPPED, "products")}
    rebuild(leads.store, ["calls"], promote=True)
    assert {name: rows_of(leads.store, name, "1") for name in before} == before


def test_a_function_that_fails_says_where_and_changes_nothing(leads: Leadflow) -> None:
    use([written("own.py", OWN)])
    history(leads, range(3))
    run(leads.store, ["calls"], once=True)
    before = rows_of(leads.store, "calls", "lead_id")
    failing = OWN.replace('event.occurred_at.strftime("%A")', "1 / 0")
    use([written("failing.py", failing)])
    with pytest.raises(LogCorrupt, match=r"position \d+ cannot be folded.*weekday.*division"):
        rebuild(leads.store, ["calls"], promote=True)
    assert rows_of(leads.store, "calls", "lead_id") == before


def test_a_function_may_only_give_what_it_said(leads: Leadflow) -> None:
    history(leads, range(3))
    use([written("wrong.py", OWN.replace('event.occurred_at.strftime("%A")', "3"))])
    with pytest.raises(LogCorrupt, match="it gave 3, which is no text"):
        rebuild(leads.store, ["calls"])


def test_a_changed_function_is_another_definition() -> None:
    use([written("own.py", OWN)])
    first = known()["calls"].fingerprint
    use([written("again.py", OWN)])
    assert known()["calls"].fingerprint == first
    use([written("other.py", OWN.replace("%A", "%a"))])
    assert known()["calls"].fingerprint != first


def table(columns: str, key: str = '{"lead_id": LEAD_ID}', more: str = "") -> str:
    return f'{ALGEBRA}MINE = Projection("mine", 1, (Table("mine", {key}, {{{columns}}}{more}),))\n'


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "defines no projection"),
        ("import nothing_of_that_name", "line 1: ModuleNotFoundError"),
        ("x = 1\ny = x +", "line 2: SyntaxError"),
        ("x = 1\n\nraise RuntimeError('no')", "line 3: RuntimeError: no"),
        (table('"a": last(text("sorce"))'), "reads a field 'sorce'"),
        (table('"a": last(text("personal.name"))'), "no personal data"),
        (table('"a": count("lead.captchured")'), "lead.captchured, which is no event"),
        (table('"a": count()', '{"id": STREAM_ID}'), "a row for every stream"),
        (table('"a": count()').replace('"mine"', '"log_head"'), "can be no table's name"),
        (table('"a": count()').replace('"mine"', '"Mine"'), "can be no table's name"),
        (table('"a": count()').replace(", 1, ", ", 0, "), "versions begin at 1"),
        (table('"a": last(text("amount")), "b": last(text("amount.currency"))'), "read whole"),
        (table('"a": count()').replace('"mine"', '"stage_board"'), "another projection"),
        (
            table('"a": count()').replace('("mine", {', '("conversion", {'),
            "both have a table conversion",
        ),
        (
            table(
                '"a": last(computed(Type.TEXT, "f", lambda e: "a")), '
                '"b": last(computed(Type.TEXT, "f", lambda e: "b"))'
            ),
            "two functions",
        ),
    ],
)
def test_what_cannot_be_folded_is_refused_before_anything_is(source: str, said: str) -> None:
    before = dict(known())
    with pytest.raises(InvalidProjection, match=said) as refused:
        use([written("mine.py", source)])
    assert "mine.py" in refused.value.message
    assert known() == before


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(InvalidProjection, match=r"there is no file nowhere\.py"):
        use(["nowhere.py"])
    with pytest.raises(InvalidProjection, match=r"there is no module no\.where"):
        use(["no.where"])
    use([written("own.py", OWN)])
    with pytest.raises(UnknownProjection) as unknown:
        named(["cals"])
    assert unknown.value.hint is not None
    assert "calls" in unknown.value.hint


def test_two_that_read_one_field_differently_are_told_apart(leads: Leadflow) -> None:
    use([written("mine.py", table('"a": last(integer("source"))'))])
    with pytest.raises(InvalidProjection, match="cannot be folded in one pass"):
        rebuild(leads.store)
    rebuild(leads.store, ["mine"])


def test_installed_packages_offer_theirs(tmp_path: Path) -> None:
    """With a real installation's metadata, in a process of its own."""
    site = tmp_path / "site"
    metadata = site / "acme_sales-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "acme_sales.py").write_text(OWN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sales\nVersion: 1.0\n")
    points = metadata / "entry_points.txt"
    command = [sys.executable, "-m", "leadflow_commands", "projections", "list", "--json"]
    url = f"sqlite:///{tmp_path / 'leads.db'}"
    Leadflow.open(url, create=True).close()
    environment = os.environ | {"PYTHONPATH": str(site), "LEADFLOW_STORE": url}

    def listed() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, text=True, capture_output=True, check=False)

    points.write_text("[leadflow.projections]\ncalls = acme_sales:CALLS\n")
    assert '"calls"' in listed().stdout
    points.write_text("[leadflow.projections]\ncalls = acme_sales:GONE\n")
    broken = listed()
    assert broken.returncode != 0
    assert "entry point calls of acme-sales" in broken.stderr
    assert "Traceback" not in broken.stderr


# --- another application's events --------------------------------------------------------


class Account(Aggregate):
    """An aggregate that leadflow knows nothing of."""

    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner

    @event("Deposited")
    def deposit(self, cents: int, reference: Decimal) -> None:
        self.reference = reference


OPENED, DEPOSITED = (f"{Account.__module__}:Account.{name}" for name in ("Opened", "Deposited"))

ACCOUNTS = ALGEBRA + dedent(f'''
    def shout(event):
        return event.data["owner"].upper() + str(event.version)

    ACCOUNTS = Projection("accounts", 1, (Table("accounts", {{"id": STREAM_ID}}, {{
        "owner": first(take(text("owner"), "{OPENED}")),
        "shouted": first(take(computed(Type.TEXT, "shout", shout), "{OPENED}")),
        "opened": first(take(OCCURRED_AT, "{OPENED}")),
        "balance": total(take(integer("cents"), "{DEPOSITED}")),
        "reference": last(take(text("reference"), "{DEPOSITED}")),
    }}, of=("{OPENED}", "{DEPOSITED}")),))
''')


def copied(store: Store, owners: list[str]) -> list[Account]:
    """Accounts of a plain application, copied over the library's own port."""
    bank: Any
    with Application() as bank:
        accounts: list[Account] = []
        for number, owner in enumerate(owners):
            account = Account(owner)
            for cents in range(number + 1):
                account.deposit(cents, Decimal("1.50"))
            bank.save(account)
            accounts.append(account)
        notifications = bank.recorder.select_notifications(1, 1_000)
        store.recorder.insert_events(
            [
                StoredEvent(n.originator_id, n.originator_version, n.topic, n.state)
                for n in notifications
            ]
        )
    return accounts


def test_a_plain_applications_events_are_folded(leads: Leadflow) -> None:
    use([written("accounts.py", ACCOUNTS)])
    history(leads, range(3))
    first = copied(leads.store, ["ada", "bob"])
    rebuild(leads.store)
    more = copied(leads.store, ["cy"])
    run(leads.store, once=True)
    rows = {row[0]: row[1:] for row in rows_of(leads.store, "accounts", "owner")}
    assert {k: (r[0], r[1], r[3], r[4]) for k, r in rows.items()} == {
        str(account.id): (owner, f"{owner.upper()}1", str(balance), "1.50")
        for account, owner, balance in zip(
            [*first, *more], ["ada", "bob", "cy"], ["0", "1", "0"], strict=True
        )
    }
    assert len(rows_of(leads.store, "stage_board", "1")) == 3, "leads only"
    live = rows_of(leads.store, "accounts", "owner")
    rebuild(leads.store, promote=True)
    assert rows_of(leads.store, "accounts", "owner") == live


def test_a_field_of_another_type_is_named_not_swallowed(leads: Leadflow) -> None:
    source = ACCOUNTS.replace('integer("cents")', 'integer("reference")')
    use([written("accounts.py", source.replace('text("reference")', 'integer("reference")'))])
    copied(leads.store, ["ada"])
    with pytest.raises(LogCorrupt, match=r"reference is '1\.50', which is no integer") as corrupt:
        rebuild(leads.store, ["accounts"])
    assert corrupt.value.position > 0
