"""Settings: flag before environment before `leadflow.toml` before the user's file.

Secrets are no settings: the key comes from a file or from LEADFLOW_KEY, which the
store reads itself, and passwords from the store URL's environment or a password file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from leadflow.errors import InvalidInput
from leadflow_commands.suggestions import did_you_mean

PROJECT_FILE: Final = Path("leadflow.toml")
ENVIRONMENT: Final = {
    "store": "LEADFLOW_STORE",
    "timezone": "LEADFLOW_TIMEZONE",
    "actor": "LEADFLOW_ACTOR",
    "producer": "LEADFLOW_PRODUCER",
    "phone_region": "LEADFLOW_PHONE_REGION",
    "modules": "LEADFLOW_MODULES",
    "archive": "LEADFLOW_ARCHIVE",
    "inbox_allow": "LEADFLOW_INBOX_ALLOW",
    "kafka": "LEADFLOW_KAFKA",
    "kafka_protocol": "LEADFLOW_KAFKA_PROTOCOL",
    "kafka_mechanism": "LEADFLOW_KAFKA_MECHANISM",
    "kafka_username": "LEADFLOW_KAFKA_USERNAME",
    "kafka_password_file": "LEADFLOW_KAFKA_PASSWORD_FILE",
    "kafka_ca_file": "LEADFLOW_KAFKA_CA_FILE",
    "kafka_cert_file": "LEADFLOW_KAFKA_CERT_FILE",
    "kafka_key_file": "LEADFLOW_KAFKA_KEY_FILE",
    "kafka_key_password_file": "LEADFLOW_KAFKA_KEY_PASSWORD_FILE",
}
"""The variables that set a setting. The key's own, LEADFLOW_KEY_FILE and LEADFLOW_KEY, are
read by the store; Kafka's passwords by `kafka_settings`."""
_SECRETS: Final = {
    "key": "key_file",
    "password": "key_file",
    "kafka_password": "kafka_password_file",
    "kafka_key_password": "kafka_key_password_file",
}
"""What no settings file may hold, and the setting that names a file for it."""
_KEY_VARIABLES: Final = ("LEADFLOW_KEY", "LEADFLOW_KEY_FILE")


class InvalidSetting(InvalidInput):
    """A setting of the environment or a settings file is unknown or has no valid value."""

    code = "invalid_setting"


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for this call."""

    store: str = "sqlite:///leads.db"
    key_file: Path | None = None
    timezone: str = "UTC"
    """Zone of bare dates and of times shown."""
    actor: str | None = None
    """Who is named as the actor of what is recorded."""
    producer: str | None = None
    """The system named as the sender of what is recorded."""
    phone_region: str | None = None
    """Country (ISO 3166, such as DE) of phone numbers given without a country code."""
    modules: str = ""
    """Modules with projections of the user's own, separated by commas; see `--module`."""
    archive: Path | None = None
    """The folder of the log's columnar twin; else beside a SQLite file, and none elsewhere."""
    inbox_allow: str = ""
    """Further types that sources may send to the inbox: SOURCE=TYPE,TYPE;SOURCE=TYPE."""
    kafka: str | None = None
    """Kafka's brokers: HOST:PORT, or several separated by commas."""
    kafka_protocol: str | None = None
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; else what the settings below ask for."""
    kafka_mechanism: str | None = None
    """SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN."""
    kafka_username: str | None = None
    kafka_password_file: str | None = None
    kafka_ca_file: str | None = None
    """Who signed the broker's certificate (PEM); else those whom the system trusts."""
    kafka_cert_file: str | None = None
    """Our own certificate (PEM), where the broker asks for one."""
    kafka_key_file: str | None = None
    kafka_key_password_file: str | None = None


def user_file() -> Path:
    """Where the user's own settings lie, by the platform's custom."""
    from platformdirs import user_config_path

    return user_config_path("leadflow", appauthor=False) / "leadflow.toml"


def load_settings(flags: Mapping[str, Any]) -> Settings:
    """Merge the sources, the nearest winning; a flag that is None was not given.

    Raises:
        InvalidSetting: naming the file or variable, when a setting is not known or a
            value has the wrong type.
    """
    merged: dict[str, Any] = {}
    for path in (user_file(), PROJECT_FILE):
        merged |= _read(path)
    merged |= {
        name: os.environ[variable]
        for name, variable in ENVIRONMENT.items()
        if os.environ.get(variable)
    }
    if any(os.environ.get(variable) for variable in _KEY_VARIABLES):
        merged.pop("key_file", None)
    merged |= {name: value for name, value in flags.items() if value is not None}
    _check_timezone(merged.get("timezone"))
    for name in ("key_file", "archive"):
        if name in merged:
            merged[name] = Path(merged[name])
    return Settings(**merged)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidSetting(
            f"{path} cannot be read: {problem}", hint="make it a readable text file or remove it"
        ) from problem
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise InvalidSetting(
            f"{path} is no valid TOML: {problem}", hint='write settings as name = "value"'
        ) from problem
    known = [field.name for field in fields(Settings)]
    for name, value in found.items():
        if name in _SECRETS:
            raise InvalidSetting(
                f"{path} holds a secret, {name!r}, which is not read from there",
                hint=f"name a file by {_SECRETS[name]}, or set {_variable(name)}",
            )
        if name not in known:
            raise InvalidSetting(
                f"{path} has an unknown setting {name!r}", hint=did_you_mean(name, known)
            )
        if not isinstance(value, str):
            raise InvalidSetting(
                f"{path}: {name} must be a text, not {value!r}", hint=f'write {name} = "…"'
            )
    return found


def _variable(secret: str) -> str:
    return "LEADFLOW_KEY" if secret == "password" else f"LEADFLOW_{secret.upper()}"


def _check_timezone(name: str | None) -> None:
    from zoneinfo import ZoneInfo, available_timezones

    if name is None:
        return
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidSetting(
            f"there is no time zone {name!r}",
            hint=did_you_mean(name, sorted(available_timezones())),
        ) from None
