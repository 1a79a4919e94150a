"""The shell that a page's commands run in: one folder, and an environment that lasts."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SECONDS: Final = 90
"""How long one command may take."""

SHOWN_FOLDER: Final = "/home/ada"
"""What pages show in place of the folder that they run in."""

# What was exported and where the shell stands goes from one command to the next by a file.
_SCRIPT: Final = """
. {state}
(exit {code})
{{
{command}
}}
code=$?
{{ export -p; printf 'cd %q\\n' "$PWD"; }} > {state}
exit $code
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command as a page shows it, and what it says that it prints."""

    text: str
    output: str

    @property
    def tells_an_error(self) -> bool:
        return any(line.startswith("Error:") for line in self.output.splitlines())


def commands_in(block: str) -> list[Command]:
    """The commands of a `console` block: each begins with `$ ` and ends before its output."""
    found: list[tuple[list[str], list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif not found:
            raise AssertionError(f"a console block begins with a command, not with {line!r}")
        elif found[-1][0][-1].endswith("\\") and not found[-1][1]:
            found[-1][0].append(line)
        else:
            found[-1][1].append(line)
    return [Command("\n".join(text), "\n".join(output)) for text, output in found]


@dataclass
class Shell:
    """Runs commands as somebody would type them, with the `leadflow` of this environment."""

    folder: Path
    state: Path
    home: Path
    code: int = field(default=0, init=False)
    """What the last command exited with, `$?`."""

    def __post_init__(self) -> None:
        self.state.write_text(f"cd {shlex.quote(str(self.folder))}\n", "utf-8")

    def run(self, command: str) -> str:
        """What the command printed, on stdout and stderr as on a terminal.

        Raises:
            subprocess.TimeoutExpired: when it does not end.
        """
        script = _SCRIPT.format(state=shlex.quote(str(self.state)), code=self.code, command=command)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", script],
            cwd=self.folder,
            env=environment(self.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.code = done.returncode
        return done.stdout.replace(str(self.folder), SHOWN_FOLDER)


def environment(home: Path) -> dict[str, str]:
    """No settings but the page's own, and the programs of this virtual environment first."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEADFLOW_", "_LEADFLOW", "PYTEST_", "COLUMNS", "XDG_"))
    }
    programs = Path(sys.executable).parent
    return inherited | {
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "LC_ALL": "C",  # the order of `ls`
        "PYTHONUTF8": "1",
    }
