"""How to reach Kafka: brokers, TLS, passwords and certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from leadflow.kafka.errors import InvalidKafkaSettings

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")


class _Secret(str):
    """A text that kafka-python does not show when it logs what it was given."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the brokers are, and what opens their door. Secrets are in no repr."""

    brokers: str
    """HOST:PORT, or several separated by commas."""
    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificates (PEM) of those whom we believe that the broker is the broker; else the
    system's."""
    cert_file: Path | None = None
    """Our own certificate (PEM), where the broker asks for one."""
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise _invalid(f"no security protocol {self.protocol!r}", f"one of {_list(PROTOCOLS)}")
        for address in self.servers:
            host, colon, port = address.rpartition(":")
            if not (colon and host and port.isdecimal() and 0 < int(port) < 65_536):
                raise _invalid(f"{address!r} is no broker's address", "write HOST:PORT")
        self._check_sasl()
        self._check_tls()

    @property
    def servers(self) -> list[str]:
        """The addresses one by one."""
        return [address.strip() for address in self.brokers.split(",")]

    @property
    def sasl(self) -> bool:
        return self.protocol.startswith("SASL_")

    @property
    def tls(self) -> bool:
        return self.protocol.endswith("SSL")

    def options(self) -> dict[str, Any]:
        """What kafka-python's clients take, secrets included: to be handed on, never shown."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.servers,
            "security_protocol": self.protocol,
        }
        if self.sasl:
            options |= {
                "sasl_mechanism": self.mechanism or MECHANISMS[0],
                "sasl_plain_username": self.username,
                "sasl_plain_password": _secret(self.password),
            }
        if self.tls:
            options |= {
                "ssl_cafile": _text(self.ca_file),
                "ssl_certfile": _text(self.cert_file),
                "ssl_keyfile": _text(self.key_file),
                "ssl_password": _secret(self.key_password),
            }
        return options

    def _check_sasl(self) -> None:
        if self.mechanism is not None and self.mechanism not in MECHANISMS:
            raise _invalid(f"no SASL mechanism {self.mechanism!r}", f"one of {_list(MECHANISMS)}")
        if self.sasl and not (self.username and self.password):
            missing = "user name" if not self.username else "password"
            raise _invalid(
                f"{self.protocol} needs a {missing}",
                "set LEADFLOW_KAFKA_USERNAME and LEADFLOW_KAFKA_PASSWORD_FILE",
            )
        if self.username and not self.sasl:
            raise _invalid(
                f"a user name is given, and {self.protocol} sends none",
                "set LEADFLOW_KAFKA_PROTOCOL to SASL_SSL",
            )

    def _check_tls(self) -> None:
        files = {"CA": self.ca_file, "certificate": self.cert_file, "key": self.key_file}
        for name, file in files.items():
            if file is None:
                continue
            if not self.tls:
                raise _invalid(
                    f"a {name} file is given, and {self.protocol} uses none",
                    "set LEADFLOW_KAFKA_PROTOCOL to SSL or SASL_SSL",
                )
            if not file.is_file():
                raise _invalid(f"there is no {name} file {file}", "name a readable PEM file")
        if (self.key_file is None) != (self.cert_file is None):
            raise _invalid(
                "a certificate and its key belong together, and one of them is missing",
                "set LEADFLOW_KAFKA_CERT_FILE and LEADFLOW_KAFKA_KEY_FILE",
            )


def implied_protocol(*, user: bool, tls: bool) -> str:
    """The protocol that the other settings ask for, where none is named."""
    return {(False, False): "PLAINTEXT", (False, True): "SSL"}.get((user, tls), "SASL_SSL")


def _secret(text: str | None) -> _Secret | None:
    return None if text is None else _Secret(text)


def _invalid(message: str, hint: str) -> InvalidKafkaSettings:
    return InvalidKafkaSettings(f"Kafka: {message}", hint=hint)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
