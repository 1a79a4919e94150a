"""Values that are one of a known set, or NAME=VALUE pairs: checked, with what was meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.suggestions import did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Among(click.Choice[str]):
    """One of these texts; another is refused with the likeliest ones."""

    def __init__(
        self, choices: Sequence[str], *, what: str = "value", own_prefix: str = ""
    ) -> None:
        super().__init__(choices, case_sensitive=False)
        self.what = what
        self.own_prefix = own_prefix
        """What begins a value of the user's own, such as `x-`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if self.own_prefix and text.startswith(self.own_prefix):
            return text
        folded = {choice.casefold().replace("-", "_"): choice for choice in self.choices}
        found = folded.get(text.casefold().replace("-", "_"))
        if found is None:
            self.fail(
                f"unknown {self.what} {text!r}; {did_you_mean(text, self.choices)}", param, ctx
            )
        return found

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        if len("|".join(self.choices)) > 60:
            return self.what.upper().replace(" ", "_")
        return super().get_metavar(param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - as click calls it
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in self.choices if name.startswith(incomplete)]


class PairType(click.ParamType[tuple[str, str]]):
    """Reads NAME=VALUE, with NAME one of the known ones where they are known."""

    name = "name=value"

    def __init__(self, known: Sequence[str] = (), *, what: str = "field") -> None:
        self.known = tuple(known)
        self.what = what

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value  # pyright: ignore[reportUnknownVariableType]
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is no NAME=VALUE", param, ctx)
        if self.known and name not in self.known:
            self.fail(f"unknown {self.what} {name!r}; {did_you_mean(name, self.known)}", param, ctx)
        return name, text

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002
        return "NAME=VALUE"
