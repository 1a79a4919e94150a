"""`leadflow policy`: see, check, change and compare the scoring policy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadflow.domain.policy import Policy, default_policy, default_policy_text, load_policy
from leadflow.errors import InvalidInput
from leadflow_commands.frame import Command, Group, pass_session
from leadflow_commands.moments import MOMENT, GivenMoment, iso, when
from leadflow_commands.output import Column
from leadflow_commands.policy_differences import differences
from leadflow_commands.policy_effects import Effects, effects_of
from leadflow_commands.policy_toml import policy_toml
from leadflow_commands.session import Session
from leadflow_commands.verbs import envelope_from, envelope_options

if TYPE_CHECKING:
    from leadflow import Leadflow

_FILE_HELP = "A policy as TOML; - is stdin."


@click.group(
    cls=Group,
    examples="""
    leadflow policy show > policy.toml
    leadflow policy check policy.toml
    leadflow policy activate policy.toml
    """,
)
def policy() -> None:
    """See, check, change and compare the scoring policy.

    The policy in force stands in the event log, so every reading of the past uses the
    one of that moment.
    """


@policy.command(
    cls=Command,
    shares=("store", "tz"),
    examples="""
    leadflow policy show
    # the one of a past day, or the one that leadflow ships
    leadflow policy show --at 2026-03-01
    leadflow policy show --default > policy.toml
    """,
)
@click.option("--at", type=MOMENT, help="The policy in force then.")
@click.option("--default", is_flag=True, help="The policy that leadflow ships; needs no store.")
@pass_session
def show(session: Session, /, at: GivenMoment | None, default: bool) -> None:
    """Print the policy in force, as TOML."""
    if default:
        shown = default_policy()
    else:
        with session.leads() as leads:
            shown = leads.policy(at.last(session.zone) if at else None)
    is_default = shown.hash == default_policy().hash
    text = default_policy_text() if is_default else policy_toml(shown.as_data())
    session.output.result(
        {"name": shown.name, "hash": shown.hash, "default": is_default, "policy": shown.as_data()},
        lambda: session.output.line(text.rstrip("\n")),
    )


@policy.command(cls=Command, shares=(), examples="leadflow policy check policy.toml")
@click.argument("file", help=_FILE_HELP)
@pass_session
def check(session: Session, /, file: str) -> None:
    """Check that a file is a valid policy; exit 1 names the first thing that is wrong."""
    checked = read_policy(file)
    session.output.result(
        {
            "valid": True,
            "name": checked.name,
            "hash": checked.hash,
            "rules": len(checked.rules),
        },
        lambda: session.output.line(
            f"{file} is a valid policy: {checked.name!r}, {len(checked.rules)} rules, "
            f"hash {checked.hash}."
        ),
    )


@policy.command(
    cls=Command,
    params=envelope_options(),
    shares=("store", "tz"),
    examples="""
    # says which leads it would warm, cool or send to sales, and asks
    leadflow policy activate policy.toml --actor ada
    # in a script
    leadflow policy activate policy.toml --yes
    """,
)
@click.argument("file", help=_FILE_HELP)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def activate(session: Session, /, file: str, yes: bool, **given: Any) -> None:
    """Put a policy in force, after saying which leads it changes.

    Points given before stay as they were given. A lead that is hot only by the new
    policy enters the queue with the next thing it does.
    """
    new = read_policy(file)
    envelope = envelope_from(given, session)
    with session.leads(write=True) as leads:
        old = leads.policy()
        if new.hash == old.hash:
            _say_unchanged(session, new)
            return
        effects = effects_of(leads, old, new)
        _say_effects(session, effects)
        session.output.confirm(f"Put {new.name!r} in force in place of {old.name!r}?", yes=yes)
        recorded = leads.activate_policy(new, **envelope)
    document = {
        "activated": not recorded.repeated,
        "name": new.name,
        "hash": new.hash,
        "effects": effects.as_data(),
    }
    session.output.result(
        document, lambda: session.output.line(f"Policy {new.name!r} ({new.hash}) is in force.")
    )


def _say_unchanged(session: Session, new: Policy) -> None:
    document = {"activated": False, "name": new.name, "hash": new.hash, "effects": None}
    session.output.result(
        document, lambda: session.output.line(f"Policy {new.name!r} is in force already.")
    )


def _say_effects(session: Session, effects: Effects) -> None:
    """On stderr, since it comes before the question; with --json it stands in the result."""
    if session.json:
        return
    note = session.output.note
    note(
        f"{len(effects.changed):,} of {effects.leads:,} open leads change temperature, "
        f"{len(effects.would_enter):,} would enter the queue."
    )
    shown = effects.changed[:20]
    for change in shown:
        enters = ", would enter the queue" if change.would_enter else ""
        note(f"  {change.lead_id}  {change.before.value} → {change.after.value}{enters}")
    if len(effects.changed) > len(shown):
        note(f"  and {len(effects.changed) - len(shown):,} more; --json lists all")


@policy.command(
    cls=Command,
    shares=("store", "tz"),
    examples="leadflow policy history",
)
@pass_session
def history(session: Session, /) -> None:
    """List every policy that was put in force, and by whom."""
    with session.leads() as leads:
        activations = leads.policies()
    documents = [
        {
            "position": event.position,
            "name": event.policy.get("name"),
            "hash": event.policy_hash,
            "actor": event.actor,
            "occurred_at": iso(event.occurred_at),
            "recorded_at": iso(event.recorded_at),
        }
        for event in activations
    ]
    session.output.result(
        documents,
        lambda: session.output.table(
            [
                Column("position", right=True),
                Column(f"in force since ({session.settings.timezone})"),
                Column("name", flexible=True),
                Column("hash"),
                Column("by"),
            ],
            [
                (
                    event.position,
                    when(event.occurred_at, session.zone),
                    event.policy.get("name"),
                    event.policy_hash,
                    event.actor,
                )
                for event in activations
            ],
        ),
    )


@policy.command(
    cls=Command,
    examples="""
    # a file against the policy in force
    leadflow policy diff policy.toml
    # two of the history, by hash, or two files
    leadflow policy diff 3f2a91c0d4e5b6a7 policy.toml
    """,
)
@click.argument("policies", nargs=-1, required=True, help="One or two: a file, or a hash.")
@pass_session
def diff(session: Session, /, policies: tuple[str, ...]) -> None:
    """Say what differs between two policies, or between one and that in force."""
    if len(policies) > 2:
        raise click.UsageError("name one policy or two")
    if all(_is_file(name) for name in policies) and len(policies) == 2:
        old, new = (read_policy(name) for name in policies)
    else:
        with session.leads() as leads:
            named = [_named(leads, name) for name in policies]
            old, new = named if len(named) == 2 else (leads.policy(), named[0])
    found = differences(old, new)
    document = {
        "old": {"name": old.name, "hash": old.hash},
        "new": {"name": new.name, "hash": new.hash},
        "differences": [
            {"kind": d.kind, "place": d.place, "before": d.before, "after": d.after} for d in found
        ],
    }

    def text() -> None:
        if not found:
            session.output.line("The two say the same.")
        for d in found:
            mark = {"added": "+", "removed": "-", "changed": "~"}[d.kind]
            change = f"{d.before} → {d.after}" if d.kind == "changed" else d.after or d.before
            session.output.line(f"{mark} {d.place}: {change}")

    session.output.result(document, text)


def _is_file(name: str) -> bool:
    return name == "-" or Path(name).is_file()


def _named(leads: Leadflow, name: str) -> Policy:
    """A policy by file, else by its hash or the beginning of it, from the log."""
    if _is_file(name):
        return read_policy(name)
    from leadflow.domain.policy import parse_policy

    for activation in reversed(leads.policies()):
        if activation.policy_hash.startswith(name):
            return parse_policy(activation.policy)
    raise InvalidInput(
        f"{name!r} is neither a file nor the hash of a policy in the log",
        hint="`leadflow policy history` lists the hashes",
    )


def read_policy(file: str) -> Policy:
    """A policy from a file, or from stdin where it is `-`."""
    if file == "-":
        return load_policy(sys.stdin.read(), "stdin")
    return load_policy(Path(file).read_text(encoding="utf-8"), file)
