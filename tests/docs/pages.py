"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
INDEX: Final = DOCS / "README.md"
CLI_REFERENCE: Final = DOCS / "reference" / "cli.md"

_FENCE = re.compile(r"^(`{3,})([^\n`]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: its language, its text, and the line of its first line of text."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown file of the project."""

    path: Path

    @property
    def name(self) -> str:
        """Its path from the project's folder, for messages and test ids."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    def fences(self) -> list[Fence]:
        text = self.text
        return [
            Fence(m[2].strip(), m[3], text.count("\n", 0, m.start(3)) + 1)
            for m in _FENCE.finditer(text)
        ]

    def inline_code(self) -> list[str]:
        """What stands between single backticks, each on one line."""
        return [" ".join(code.split()) for code in _INLINE.findall(self.prose)]

    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    def anchors(self) -> set[str]:
        """The names that its headings have behind a `#`, as GitHub makes them."""
        headings: list[str] = _HEADING.findall(self.prose)
        return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def docs_pages() -> list[Page]:
    """Every page below docs/."""
    return [Page(path) for path in sorted(DOCS.rglob("*.md"))]


def all_pages() -> list[Page]:
    """Those, and the pages beside the code."""
    return [Page(ROOT / "README.md"), Page(ROOT / "CHANGELOG.md"), *docs_pages()]
