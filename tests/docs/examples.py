"""Runs what a page shows, from its top to its end, in a fresh folder.

- ```console: each line that begins with `$ ` is run, and what follows is compared with
  what it prints. A command may only fail where the page shows its `Error:`, or asks for
  its exit code by `$ echo $?`.
- ```python: is executed, all blocks of a page in one namespace; what it prints stands in
  an ```output block right after it.
- any block after `<!-- file: NAME -->` is written into a file of that name.
- `<!-- needs: olist -->` before a block: it runs only where the Olist files are there.
  `<!-- page needs: olist -->` says so of all blocks of a page.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from tests.docs.comparing import difference
from tests.docs.shell import Command, Shell, commands_in

POSTGRES_URL: Final = "postgresql://leads@db.example/leads"
"""What pages write where a PostgreSQL database is meant; tests put a real one in its place."""

KAFKA_ADDRESS: Final = "kafka.example:9092"
"""The same for a Kafka broker."""

_MQLS: Final = "olist_marketing_qualified_leads_dataset.csv"
_DEALS: Final = "olist_closed_deals_dataset.csv"
OLIST: Final = {_MQLS: _MQLS, _DEALS: _DEALS, "MQLS.csv": _MQLS, "DEALS.csv": _DEALS}
"""What pages may call Olist's two files."""

_MARKER = re.compile(r"<!-- (file|needs): (\S+) -->\n\Z")
_UNEXPECTED: Final = "something unexpected went wrong"
"""No page may show this, nor be corrected to show it."""
_PAGE_MARKER: Final = "<!-- page needs: olist -->"


@dataclass
class Places:
    """Where a page runs, and what stands in for what a reader would have."""

    shell: Shell
    olist: Path | None = None
    postgres: str | None = None
    kafka: str | None = None
    left_out: list[int] = field(default_factory=list[int])
    """Lines of blocks that need what is not there."""
    rewritten: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    """What blocks would say if they showed what was printed, by their span in the text."""
    rewrite: bool = False


def run_page(page: Path, places: Places) -> None:
    """Run every block of a page.

    Raises:
        AssertionError: naming the first line where a page does not tell the truth.
    """
    if places.olist is not None:
        text = page.read_text("utf-8")
        for name, file in OLIST.items():
            if name in text:
                shutil.copy(places.olist / file, places.shell.folder / name)
    runner = _Runner(places)
    document = Sybil([runner.blocks], pattern="*.md").parse(page)
    for example in document.examples():
        example.evaluate()
    if runner.printed.strip():
        raise AssertionError(f"{page}: the last python block prints what no block shows")


class _Runner:
    def __init__(self, places: Places) -> None:
        self.places = places
        self.printed = ""
        """What the python block before printed and no block has shown yet."""
        self._python = PythonEvaluator(future_imports=("annotations",))
        self._by_language: dict[str, Callable[[Example], str | None]] = {
            "console": self._console,
            "python": self._execute,
            "output": self._output,
            "json": _read_json,
            "toml": _read_toml,
        }

    def blocks(self, document: Document) -> Iterable[Region]:
        """Every fenced block, with what it is to be evaluated by."""
        lexer = FencedCodeBlockLexer(language=r"[\w-]+")
        for region in lexer(document):
            language = str(region.lexemes["language"])
            region.parsed = region.lexemes["source"]
            marker = _MARKER.search(document.text[: region.start])
            region.evaluator = self._evaluator(language, marker)
            if _PAGE_MARKER in document.text and self.places.olist is None:
                region.evaluator = self._leave_out
            yield region

    def _evaluator(
        self, language: str, marker: re.Match[str] | None
    ) -> Callable[[Example], str | None] | None:
        evaluate = self._by_language.get(language)
        if marker is None:
            return evaluate
        kind, name = marker.groups()
        if kind == "file":
            return lambda example: self._write(name, example, evaluate)
        if name != "olist":
            raise AssertionError(f"nothing is known that is called {name!r}")
        return evaluate if self.places.olist is not None else self._leave_out

    def _leave_out(self, example: Example) -> None:
        self.places.left_out.append(example.line)

    def _write(
        self, name: str, example: Example, check: Callable[[Example], str | None] | None
    ) -> str | None:
        (self.places.shell.folder / name).write_text(str(example.parsed), "utf-8")
        return None if check is None or check == self._console else check(example)

    def _execute(self, example: Example) -> str | None:
        if self.printed.strip():
            return f"the python block before printed what no block shows:\n{self.printed}"
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self._python(example)
        self.printed = out.getvalue()
        return None

    def _output(self, example: Example) -> str | None:
        printed, self.printed = self.printed, ""
        found = difference(str(example.parsed), printed)
        if found is not None and self.places.rewrite:
            self._rewrite(example, printed if printed.endswith("\n") else printed + "\n")
            return None
        return found

    def _console(self, example: Example) -> str | None:
        commands = commands_in(str(example.parsed))
        shown: list[str] = []
        changed = False
        for number, command in enumerate(commands):
            printed = self._run(command)
            found = difference(command.output, printed)
            shown.append(_as_shown(command, command.output if found is None else printed))
            changed = changed or found is not None
            asked = number + 1 < len(commands) and commands[number + 1].text == "echo $?"
            failed = self.places.shell.code != 0 and not asked
            if (failed and "Error:" not in printed) or _UNEXPECTED in printed:
                return f"$ {command.text}\nexits with {self.places.shell.code}:\n{printed}"
            if found is not None and not self.places.rewrite:
                return f"$ {command.text}\n{found}"
        if changed:
            self._rewrite(example, "".join(shown))
        return None

    def _run(self, command: Command) -> str:
        text = command.text
        stand_ins = {POSTGRES_URL: self.places.postgres, KAFKA_ADDRESS: self.places.kafka}
        for shown, real in stand_ins.items():
            text = text if real is None else text.replace(shown, real)
        printed = self.places.shell.run(text)
        for shown, real in stand_ins.items():
            if real is not None:
                without_password = re.sub(r"(?<=//)([^:@/]+):[^@/]+@", r"\1@", real)
                printed = printed.replace(real, shown).replace(without_password, shown)
        return printed

    def _rewrite(self, example: Example, source: str) -> None:
        fence = example.document.text[example.start : example.end]
        first, _, rest = fence.partition("\n")
        last = rest.rpartition("\n")[2]
        self.places.rewritten[example.start, example.end] = f"{first}\n{source}{last}"


def _as_shown(command: Command, output: str) -> str:
    output = "\n".join(line.rstrip() for line in output.strip("\n").splitlines())
    return f"$ {command.text}\n" + (f"{output}\n" if output else "")


def _read_json(example: Example) -> str | None:
    """A JSON block is one document, or one a line; `…` marks what is left out."""
    source = str(example.parsed)
    if "…" in source:
        return None
    try:
        json.loads(source)
    except json.JSONDecodeError as error:
        try:
            for line in source.splitlines():
                json.loads(line)
        except json.JSONDecodeError:
            return f"no JSON: {error}"
    return None


def _read_toml(example: Example) -> str | None:
    try:
        tomllib.loads(str(example.parsed))
    except tomllib.TOMLDecodeError as error:
        return f"no TOML: {error}"
    return None
