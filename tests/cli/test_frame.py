"""The program as a whole: help, streams, exit codes, errors, suggestions."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

UNREACHABLE = "postgresql://nobody@127.0.0.1:1/none"


def test_version(process: Run) -> None:
    ran = process("--version")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("leadflow ")


def test_help_imports_nothing_but_the_frame() -> None:
    script = (
        "import sys\n"
        "from leadflow_commands.main import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'leadflow', 'pydantic', 'duckdb', 'pyarrow', 'rich', 'altair', 'psycopg'}\n"
        "sys.exit(str(slow & set(sys.modules)) if slow & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_a_command_help_goes_to_stderr(process: Run) -> None:
    ran = process()
    assert (ran.code, ran.out) == (2, "")
    assert "Examples:" in ran.err


def test_data_alone_on_stdout(process: Run) -> None:
    ran = process("store", "init", "--json")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.json["created"] is True


@pytest.mark.parametrize("where", ["before", "within", "after"])
def test_shared_options_stand_before_or_after_the_command(leadflow: Run, where: str) -> None:
    shared = ["--store", "sqlite:///other.db", "--json"]
    words = {
        "before": [*shared, "store", "init"],
        "within": ["store", *shared, "init"],
        "after": ["store", "init", *shared],
    }[where]
    assert leadflow(*words).code == 0
    assert Path("other.db").exists()


def test_the_later_of_two_flags_wins(leadflow: Run) -> None:
    assert (
        leadflow("--store", "sqlite:///a.db", "store", "init", "--store", "sqlite:///b.db").code
        == 0
    )
    assert (Path("a.db").exists(), Path("b.db").exists()) == (False, True)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["bord"], "board"),
        (["lead", "captur"], "capture"),
        (["lead", "show", "x:1", "--as-off", "2026-01-01"], "--as-of"),
        (["lead", "engage", "x:1", "--kind", "trial_requestd"], "trial_requested"),
        (["lead", "contact", "x:1", "--channel", "fone"], "phone"),
        (["lead", "qualify", "x:1", "--tier", "mqll"], "MQL"),
        (["board", "--stage", "nurtured"], "nurturing"),
        (["log", "export", "--format", "json", "-"], "jsonl"),
        (["lead", "offer", "x:1", "--offer-id", "1", "--amount", "1 EUU"], "EUR"),
        (["lead", "show", "x:1", "--tz", "Europe/Berlim"], "Europe/Berlin"),
    ],
)
def test_suggests_what_was_meant(leadflow: Run, words: list[str], meant: str) -> None:
    ran = leadflow(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean" in ran.err
    assert meant in ran.err


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (["lead", "show", "shop:1"], "store_not_found", 1),
        (["lead", "show"], "usage", 2),
        (["nonsense"], "usage", 2),
        (["lead"], "usage", 2),
        (["store", "info", "--store", "mysql://x/y"], "invalid_store_url", 2),
        (["policy", "check", "missing.toml"], "file_error", 1),
        (["lead", "show", "a:1", "--as-of", "yesterday"], "usage", 2),
        (["lead", "show", "a:1", "--as-of", "2026-01-01T10:00"], "usage", 2),
    ],
)
def test_errors_as_json(leadflow: Run, words: list[str], code: str, exit_code: int) -> None:
    ran = leadflow(*words, "--json")
    assert (ran.code, ran.out) == (exit_code, "")
    assert ran.error["code"] == code
    assert ran.error["message"]
    assert set(ran.error) == {"code", "message", "hint"}


def test_an_error_is_one_sentence_with_a_hint(process: Run) -> None:
    ran = process("lead", "show", "shop:4711")
    assert ran.code == 1
    assert ran.err.startswith("Error: no store at ")
    assert "Hint: " in ran.err
    assert "leadflow store init" in ran.err
    assert "Traceback" not in ran.err


def test_only_some_commands_make_a_store(leadflow: Run, elsewhere: Path) -> None:
    for words in (
        ["lead", "show", "a:1"],
        ["lead", "engage", "a:1", "--kind", "visit"],
        ["board"],
        ["queue", "list"],
        ["policy", "show"],
        ["policy", "history"],
        ["log", "stats"],
        ["log", "verify"],
        ["log", "export", "-"],
        ["projections", "status"],
        ["projections", "rebuild"],
        ["store", "info"],
        ["store", "migrate"],
        ["store", "backup", "copy.db"],
        ["doctor"],
    ):
        ran = leadflow(*words)
        assert ran.code == 1, (words, ran.out, ran.err)
        assert "no store at" in ran.err + ran.out, words
        assert list(elsewhere.iterdir()) == [], words


def test_wrong_input_makes_no_store(leadflow: Run, elsewhere: Path) -> None:
    assert leadflow("lead", "capture", "--email", "not an address").code == 2
    assert leadflow("lead", "capture", "--phone", "+49 1").code == 2
    assert leadflow("lead", "capture", "--sales-type", "spare").code == 2
    assert list(elsewhere.iterdir()) == []


def test_unexpected_errors_show_no_traceback_unless_asked(process: Run, elsewhere: Path) -> None:
    broken = elsewhere / "sitecustomize.py"
    broken.write_text("import leadflow_commands.settings as s\ns.load_settings = 17\n")
    ran = process("store", "info", PYTHONPATH=str(elsewhere))
    assert ran.code == 1
    assert "something unexpected went wrong: TypeError" in ran.err
    assert "LEADFLOW_DEBUG=1" in ran.err
    assert "Traceback" not in ran.err
    asked = process("store", "info", PYTHONPATH=str(elsewhere), LEADFLOW_DEBUG="1")
    assert "Traceback" in asked.err


def test_a_reader_that_goes_away_is_no_error(ada: str) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"{sys.executable} -m leadflow_commands policy show --default --json"
            " | true; echo ${PIPESTATUS[0]}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "141")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_with_their_codes(ada: str, number: signal.Signals, code: int) -> None:
    reading, writing = os.pipe()
    running = subprocess.Popen(
        [sys.executable, "-m", "leadflow_commands", "policy", "check", "-"],
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(reading)
    # It reads stdin only once it is well under way; a first byte tells that it can be written.
    os.write(writing, b"name")
    _wait_until_it_reads(running.pid)
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    os.close(writing)
    assert running.returncode == code
    assert out == ""
    assert "Traceback" not in err


def _wait_until_it_reads(pid: int) -> None:
    """Until the process sleeps in a read of its stdin."""
    syscall = Path(f"/proc/{pid}/syscall")
    if not syscall.exists():
        pytest.skip("needs /proc/PID/syscall to know when the program reads")
    read_stdin = ("0 0x0 ", "63 0x0 ")  # x86-64, arm64
    for _ in range(10_000_000):
        try:
            if syscall.read_text().startswith(read_stdin):
                return
        except PermissionError:
            pytest.skip("this user may not see what the program is doing")
    raise AssertionError("it never read its stdin")


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_in_a_pipe(process: Run, ada: str, environment: dict[str, str]) -> None:
    ran = process("lead", "history", ada, **environment)
    assert "\x1b" not in ran.out + ran.err


def test_completion(leadflow: Run) -> None:
    for shell in ("bash", "zsh", "fish"):
        ran = leadflow("completion", shell)
        assert ran.code == 0
        assert "_LEADFLOW_COMPLETE" in ran.out


def test_completes_commands_options_and_choices(process: Run) -> None:
    def complete(*words: str) -> list[str]:
        ran = process(
            _LEADFLOW_COMPLETE="bash_complete",
            COMP_WORDS=" ".join(["leadflow", *words]),
            COMP_CWORD=str(len(words)),
        )
        return [line.partition(",")[2] for line in ran.out.splitlines()]

    assert complete("pro") == ["projections"]
    assert "hand-over" in complete("lead", "h")
    assert complete("lead", "engage", "--ki") == ["--kind"]
    assert complete("lead", "engage", "--kind", "tri") == ["trial_requested"]
