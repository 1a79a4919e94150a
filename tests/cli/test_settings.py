"""Which setting holds: flag, environment, leadflow.toml, the user's file."""

from pathlib import Path

import pytest

from leadflow_commands.settings import InvalidSetting, load_settings, user_file


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_nearest_source_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings({}).store == "sqlite:///leads.db"
    write(user_file(), 'store = "sqlite:///user.db"\nactor = "ada"')
    assert load_settings({}).store == "sqlite:///user.db"
    write(Path("leadflow.toml"), 'store = "sqlite:///project.db"')
    assert load_settings({}).store == "sqlite:///project.db"
    monkeypatch.setenv("LEADFLOW_STORE", "sqlite:///variable.db")
    assert load_settings({"store": None}).store == "sqlite:///variable.db"
    assert load_settings({"store": "sqlite:///flag.db"}).store == "sqlite:///flag.db"
    assert load_settings({}).actor == "ada"


def test_a_key_in_the_environment_goes_before_a_key_file_in_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(Path("leadflow.toml"), 'key_file = "/etc/leadflow.key"')
    assert load_settings({}).key_file == Path("/etc/leadflow.key")
    monkeypatch.setenv("LEADFLOW_KEY", "x")
    assert load_settings({}).key_file is None
    assert load_settings({"key_file": "mine.key"}).key_file == Path("mine.key")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('stor = "sqlite:///x.db"', "unknown setting 'stor'"),
        ("store = 7", "store must be a text"),
        ("store = ", "no valid TOML"),
        ('key = "c2VjcmV0"', "secret"),
        ('timezone = "Mars/Olympus"', "no time zone 'Mars/Olympus'"),
    ],
)
def test_a_wrong_settings_file_is_named(text: str, said: str) -> None:
    write(Path("leadflow.toml"), text)
    with pytest.raises(InvalidSetting, match=said) as raised:
        load_settings({})
    assert raised.value.hint


def test_an_unknown_setting_suggests_the_one_meant() -> None:
    write(Path("leadflow.toml"), 'stor = "sqlite:///x.db"')
    with pytest.raises(InvalidSetting) as raised:
        load_settings({})
    assert raised.value.hint == "did you mean store?"


def test_an_unreadable_settings_file_is_named() -> None:
    Path("leadflow.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidSetting, match="cannot be read"):
        load_settings({})
