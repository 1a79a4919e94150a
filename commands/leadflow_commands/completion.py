"""`leadflow completion`: the script that lets a shell complete what is typed."""

from __future__ import annotations

from typing import Final

import click

from leadflow_commands.choices import Among
from leadflow_commands.frame import Command, pass_session
from leadflow_commands.session import Session

SHELLS: Final = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    shares=(),
    examples="""
    # bash: for this shell, or for every one to come
    source <(leadflow completion bash)
    leadflow completion bash >> ~/.bashrc
    # fish
    leadflow completion fish > ~/.config/fish/completions/leadflow.fish
    """,
)
@click.argument("shell", type=Among(SHELLS, what="shell"), help="Which shell.")
@pass_session
def completion(session: Session, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from leadflow_commands.main import cli

    shell_class = get_completion_class(shell)
    if shell_class is None:
        raise click.UsageError(f"click does not know how to complete in {shell}")
    script = shell_class(cli, {}, "leadflow", "_LEADFLOW_COMPLETE").source()
    session.output.result({"shell": shell, "script": script}, lambda: session.output.line(script))
