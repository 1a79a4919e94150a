"""The connection to Kafka, from the settings; its passwords from files or the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from leadflow_commands.settings import InvalidSetting, Settings

if TYPE_CHECKING:
    from leadflow.kafka.connection import Connection


def connection(settings: Settings) -> Connection:
    """How to reach Kafka.

    Raises:
        InvalidSetting: when no broker is named, or a file with a password cannot be read.
        InvalidKafkaSettings: when the settings do not fit together.
    """
    from leadflow.kafka.connection import Connection, implied_protocol

    if not settings.kafka:
        raise InvalidSetting(
            "no Kafka broker is named",
            hint="give --brokers HOST:PORT, or set LEADFLOW_KAFKA; `make kafka` starts one to try",
        )
    tls = bool(settings.kafka_ca_file or settings.kafka_cert_file)
    return Connection(
        settings.kafka,
        settings.kafka_protocol or implied_protocol(user=bool(settings.kafka_username), tls=tls),
        settings.kafka_mechanism,
        settings.kafka_username,
        _secret("LEADFLOW_KAFKA_PASSWORD", settings.kafka_password_file),
        _path(settings.kafka_ca_file),
        _path(settings.kafka_cert_file),
        _path(settings.kafka_key_file),
        _secret("LEADFLOW_KAFKA_KEY_PASSWORD", settings.kafka_key_password_file),
    )


def _secret(variable: str, file: str | None) -> str | None:
    """A password: the environment's, else the first line of a file."""
    if value := os.environ.get(variable):
        return value
    if file is None:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(
            f"the password file {file} cannot be read: {error}",
            hint=f"make it a readable text file, or set {variable}",
        ) from error


def _path(file: str | None) -> Path | None:
    return None if file is None else Path(file)
