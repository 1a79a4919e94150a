"""On a terminal: tables as wide as it is, colours, questions and their answers."""

import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from leadflow_commands.output import Column, Output
from tests.cli.conftest import Run


def on_terminal(*words: str, answer: str = "", **environment: str) -> tuple[int, str]:
    """Run the program on a terminal of 80 columns; types the answer once it asks something."""
    ours, theirs = pty.openpty()
    variables = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    running = subprocess.Popen(
        [sys.executable, "-m", "leadflow_commands", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=variables | {"TERM": "xterm-256color"} | environment,
    )
    os.close(theirs)
    shown = ""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, f"nothing more came after {shown!r}"
        try:
            part = os.read(ours, 65_536).decode(errors="replace")
        except OSError:  # Linux: the other side is closed
            break
        if not part:
            break
        shown += part
        if answer and re.search(r"(\[y/N\]|again): ?$", shown):
            os.write(ours, f"{answer}\n".encode())
            answer = ""
    os.close(ours)
    return running.wait(timeout=60), shown.replace("\r\n", "\n")


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def test_no_line_of_a_table_is_wider_than_the_terminal(leadflow: Run, ada: str) -> None:
    for _ in range(3):
        leadflow("lead", "enrich", ada, "--field", f"description={'very ' * 30}long")
    code, shown = on_terminal("lead", "history", ada)
    assert code == 0
    lines = without_colours(shown).splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" in shown
    assert len(lines) == len(leadflow("lead", "history", ada, "--json").json) + 1


def test_piped_nothing_is_shortened(leadflow: Run, ada: str) -> None:
    leadflow("lead", "enrich", ada, "--field", f"description={'very ' * 30}long")
    assert f"{'very ' * 30}long" in leadflow("lead", "history", ada).out


@pytest.mark.parametrize(
    ("words", "environment", "coloured"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
    ],
)
def test_colours(ada: str, words: list[str], environment: dict[str, str], coloured: bool) -> None:
    for command in (["lead", "history", ada], ["lead", "show", "shop:none"]):
        _, shown = on_terminal(*command, *words, **environment)
        assert ("\x1b[" in shown) is coloured


def test_a_question_answered_with_no_changes_nothing(leadflow: Run, ada: str) -> None:
    text = leadflow("policy", "show").out.replace("hot = 70", "hot = 60")
    Path("other.toml").write_text(text)
    code, shown = on_terminal("policy", "activate", "other.toml", answer="n")
    assert code == 1
    assert "Nothing was changed" in shown
    assert len(leadflow("policy", "history", "--json").json) == 1
    code, shown = on_terminal("policy", "activate", "other.toml", answer="y")
    assert code == 0
    assert len(leadflow("policy", "history", "--json").json) == 2


def test_erasing_takes_the_id_typed_again(leadflow: Run, ada: str) -> None:
    code, shown = on_terminal("lead", "erase", ada, answer="shop:4712")
    assert code == 1
    assert "nothing was erased" in shown
    code, _ = on_terminal("lead", "erase", ada, answer=ada)
    assert code == 0
    assert leadflow("lead", "show", ada, "--json").json["erased"] is True


def test_control_characters_do_not_reach_the_terminal(
    leadflow: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Output(json=False, quiet=False, no_color=False)
    output.table([Column("what")], [("a\x1b[2Jb\nc",)])
    output.pairs([("what", "a\x1b[2Jb")])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "a·[2Jb·c" in shown
