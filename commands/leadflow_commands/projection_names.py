"""Which projections a command is for: their names, and the modules of a user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


class ProjectionName(click.ParamType[str]):
    """A projection's name; the modules that were named are looked into first."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from leadflow_projections.errors import UnknownProjection
        from leadflow_projections.registry import named

        try:
            [projection] = named([str(value).replace("-", "_")])
        except UnknownProjection as unknown:
            self.fail(f"{unknown.message}; {unknown.hint}", param, ctx)
        return projection.name

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - as click calls it
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from leadflow_projections.registry import known

        return [CompletionItem(name) for name in known() if name.startswith(incomplete)]


def _load(ctx: click.Context, _: click.Parameter, modules: tuple[str, ...]) -> None:
    if ctx.resilient_parsing:
        return
    from leadflow_commands.settings import load_settings
    from leadflow_projections.registry import use

    # Not the session's settings, which are made once: options after this one go into them.
    of_settings = load_settings({}).modules.split(",")
    use([*filter(None, map(str.strip, of_settings)), *modules])


module_option = click.option(
    "--module",
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_load,
    metavar="MODULE",
    help="A module or FILE.py with projections of your own; also LEADFLOW_MODULES.",
)
"""Makes the projections of a user's modules known before names are read."""


def projection_names(command: F) -> F:
    """The argument `names`, any number of projections, and `--module`."""
    names = click.argument(
        "names",
        nargs=-1,
        metavar="[NAME]...",
        type=ProjectionName(),
        help="Which: stage_board, sales_queue, conversion or your own; none named means all.",
    )
    return names(module_option(command))
