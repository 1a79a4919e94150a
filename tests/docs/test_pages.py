"""Pages hang together: links lead somewhere, the index names all, no block escapes its test."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.comparing import difference
from tests.docs.pages import CLI_REFERENCE, INDEX, ROOT, Page, all_pages, docs_pages
from tests.docs.shell import commands_in

TESTED = {"console", "python", "output", "json", "toml"}
OTHER_LANGUAGES = {"py", "go", "sh", "sql"}
"""Written into files that console blocks run, or that tests of their own run."""
UNTESTED = {"text", "sh"}
"""Drawings and formulas; and what sets a machine up, which a test cannot."""
_FILE = re.compile(r"<!-- file: \S+ -->\n\Z")
_SET_UP = re.compile(r"(make [a-z-]+|git clone \S+|cd \w+|\. \.venv/bin/activate)( +#.*)?")


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_links_lead_to_what_is_there(page: Page) -> None:
    dead: list[str] = []
    for link in page.links():
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.path.parent / unquote(file)).resolve() if file else page.path
        if not target.exists() or (anchor and anchor not in Page(target).anchors()):
            dead.append(link)
    assert dead == []


def test_the_index_names_every_page() -> None:
    index = Page(INDEX)
    linked = {(INDEX.parent / link.partition("#")[0]).resolve() for link in index.links()}
    missing = [page.name for page in docs_pages() if page.path not in {*linked, INDEX}]
    assert missing == []


def before(page: Page, line: int) -> str:
    """The page's text up to the fence that opens above a line."""
    return "".join(page.text.splitlines(keepends=True)[: line - 2])


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_every_block_is_of_a_kind_that_is_tested(page: Page) -> None:
    in_files = {
        fence.line
        for fence in page.fences()
        if fence.language in OTHER_LANGUAGES and _FILE.search(before(page, fence.line))
    }
    kinds = {fence.language for fence in page.fences() if fence.line not in in_files}
    assert kinds <= TESTED | UNTESTED
    if page.path == CLI_REFERENCE:
        return  # Its examples are checked by name; the other pages run them.
    for fence in page.fences():
        if fence.language == "sh" and fence.line not in in_files:
            odd = [line for line in fence.text.splitlines() if not _SET_UP.fullmatch(line)]
            assert odd == [], f"line {fence.line}: in a console block it would be tested"


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_make_targets_exist(page: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    texts = [*page.inline_code(), *(f.text for f in page.fences() if f.language == "sh")]
    named = {name for text in texts for name in re.findall(r"(?:^|\n)make ([a-z-]+)", text)}
    assert named <= targets


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_code_that_names_files_of_the_project_names_files_that_are_there(page: Page) -> None:
    file = re.compile(
        r"(?:leadflow|projections|commands|tests|docs)/[\w/.-]*?(?:\.(?:py|md|png)|/)"
    )
    codes = [code.partition("::")[0] for code in page.inline_code()]
    named = {code for code in codes if file.fullmatch(code)}
    missing = [name for name in named if not any(ROOT.glob(name))]
    assert missing == []


def test_no_page_names_a_folder_of_the_machine_it_was_written_on() -> None:
    here = {str(ROOT), str(Path.home()), os.path.realpath(ROOT)} - {"/", "/root"}
    assert [page.name for page in all_pages() if any(name in page.text for name in here)] == []


def test_console_blocks_are_read_as_they_are_meant() -> None:
    one, two = commands_in("$ a \\\n  -b\nout\n\nput\n$ c\n")
    assert (one.text, one.output) == ("a \\\n  -b", "out\n\nput")
    assert (two.text, two.output) == ("c", "")


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a ... c", "a b c", True),
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("a\n...", "a", True),
        ("...\nb", "a\nb", True),
        ("...\nb", "b", True),
        ("a ... c", "a b\nc", False),
        ("at 2026-03-01 09:30", "at 2026-03-02 09:30", False),
        ("1.5", "1x5", False),
        ("7 events in 1.5 s, 8,000 events/s", "7 events in 12 s, 9 events/s", True),
        ("7 events in 1.5 s", "8 events in 1.5 s", False),
        (
            "id 5b1195ee-5daa-49a1-9374-94620dd2342a",
            "id 730960f3-a1ca-46ad-92b4-575b12efc02a",
            True,
        ),
        (
            "id 8a818f34-b506-516a-a224-8e73dadabdb9",
            "id 8a818f34-b506-516a-a224-8e73dadabdb8",
            False,
        ),
    ],
)
def test_output_is_compared_as_it_is_meant(expected: str, actual: str, same: bool) -> None:
    assert (difference(expected, actual) is None) is same
