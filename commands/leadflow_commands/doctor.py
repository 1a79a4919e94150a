"""`leadflow doctor`: check that everything is well, and say what to do where it is not."""

from __future__ import annotations

import click

from leadflow_commands.checks import Finding, Verdict, examine
from leadflow_commands.failures import DIFFERENCE, FAILED
from leadflow_commands.frame import Command
from leadflow_commands.session import Session


@click.command(
    cls=Command,
    examples="""
    leadflow doctor
    leadflow doctor --json --store postgresql://leads@db.example/leads
    """,
)
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check that everything is well.

    Looks at Python and the libraries, the store, its key, the end of its log, its read
    models, the disk and the clock. Exit 1: the store cannot be reached. Exit 3: something
    is wrong with it. Warnings alone exit 0.
    """
    session = ctx.ensure_object(Session)
    findings = examine(session)
    session.output.result(
        {
            "ok": all(finding.verdict is not Verdict.WRONG for finding in findings),
            "checks": [finding.as_data() for finding in findings],
        },
        lambda: _print(session, findings),
    )
    wrong = [finding for finding in findings if finding.verdict is Verdict.WRONG]
    if any(finding.name == "store" for finding in wrong):
        ctx.exit(FAILED)
    if wrong:
        ctx.exit(DIFFERENCE)


def _print(session: Session, findings: list[Finding]) -> None:
    widest = max(len(finding.name) for finding in findings)
    for finding in findings:
        session.output.line(f"{finding.verdict.value:7}  {finding.name:{widest}}  {finding.says}")
        if finding.hint:
            session.output.line(f"{'':7}  {'':{widest}}  → {finding.hint}")
