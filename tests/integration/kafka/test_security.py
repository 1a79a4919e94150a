"""Passwords, TLS and client certificates, against a broker that asks for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leadflow.kafka import connecting
from leadflow.persistence.opening import open_store
from tests.broker.secure import USER, Secured, secured
from tests.cli.conftest import Run, elsewhere, leadflow
from tests.integration.projections.many import record_many

__all__ = ["elsewhere", "leadflow"]

pytestmark = pytest.mark.usefixtures("kafka_possible")


@pytest.fixture(scope="module")
def secure_broker(
    kafka_possible: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    made = secured(tmp_path_factory.mktemp("secure"))
    made.broker.start()
    yield made
    made.broker.stop()


Configure = Callable[..., None]


@pytest.fixture
def configure(
    secure_broker: Secured, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> Configure:
    """Sets the variables of a user with a password; a value of None removes one."""
    password = elsewhere / "password"
    password.write_text(secure_broker.password + "\n")
    usual: dict[str, object] = {
        "": secure_broker.broker.address,
        "_USERNAME": USER,
        "_PASSWORD_FILE": password,
        "_CA_FILE": secure_broker.ca_file,
    }

    def setting(**other: object) -> None:
        for name, value in (usual | other).items():
            if value is None:
                monkeypatch.delenv(f"LEADFLOW_KAFKA{name}", raising=False)
            else:
                monkeypatch.setenv(f"LEADFLOW_KAFKA{name}", str(value))

    return setting


def by_certificate(broker: Secured) -> dict[str, object]:
    return {
        "": broker.tls_address,
        "_USERNAME": None,
        "_PASSWORD_FILE": None,
        "_CERT_FILE": broker.cert_file,
        "_KEY_FILE": broker.key_file,
    }


def test_a_password_over_tls(leadflow: Run, configure: Configure) -> None:
    configure()
    _publishes(leadflow, "password")


def test_a_certificate_of_our_own(
    leadflow: Run, configure: Configure, secure_broker: Secured
) -> None:
    configure(**by_certificate(secure_broker))
    _publishes(leadflow, "certificate")


def test_settings_of_the_project_file(
    leadflow: Run, configure: Configure, secure_broker: Secured, elsewhere: Path
) -> None:
    configure(**{"": None, "_USERNAME": None, "_PASSWORD_FILE": None, "_CA_FILE": None})
    settings = [
        f'kafka = "{secure_broker.broker.address}"',
        'kafka_protocol = "SASL_SSL"',
        'kafka_mechanism = "SCRAM-SHA-512"',
        f'kafka_username = "{USER}"',
        f'kafka_password_file = "{elsewhere}/password"',
        f'kafka_ca_file = "{secure_broker.ca_file}"',
    ]
    (elsewhere / "leadflow.toml").write_text("\n".join(settings))
    _publishes(leadflow, "file")


@pytest.mark.parametrize(
    ("case", "code", "said"),
    [
        ("wrong password", "kafka_denied", "does not accept the user or the password"),
        ("unknown authority", "kafka_denied", "no TLS connection that both sides trust"),
        ("no certificate", "kafka_denied", "no TLS connection that both sides trust"),
        ("no password", "invalid_kafka_setting", "SASL_SSL needs a password"),
        ("no TLS", "broker_unreachable", "no broker answers"),
    ],
)
def test_what_is_wrong_is_said_and_no_secret(
    case: str,
    code: str,
    said: str,
    *,
    leadflow: Run,
    configure: Configure,
    secure_broker: Secured,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "BOOTSTRAP_MS", 4_000)
    without: dict[str, object] = {"_USERNAME": None, "_PASSWORD_FILE": None, "_CA_FILE": None}
    settings: dict[str, dict[str, object]] = {
        "wrong password": {"_PASSWORD": "guessed-wrongly"},
        "unknown authority": {"_CA_FILE": secure_broker.other_ca_file},
        "no certificate": by_certificate(secure_broker) | {"_CERT_FILE": None, "_KEY_FILE": None},
        "no password": {"_PASSWORD_FILE": None},
        "no TLS": without,
    }
    configure(**settings[case])
    with caplog.at_level(logging.DEBUG):
        ran = leadflow("kafka", "topics", "check", "--json")
    assert ran.code == (2 if code == "invalid_kafka_setting" else 1)
    assert ran.error["code"] == code
    assert said in ran.error["message"]
    assert ran.error["hint"]
    for secret in ("guessed-wrongly", secure_broker.password):
        assert secret not in ran.out + ran.err + caplog.text


def _publishes(leadflow: Run, name: str) -> None:
    with open_store("sqlite:///leads.db", create=True) as store:
        record_many(store, 10)
    made = leadflow("kafka", "topics", "create", "--events", f"{name}.events", "--json")
    assert made.code == 0, made.err
    assert f"{name}.events" in made.json["created"]
    ran = leadflow("kafka", "relay", "--once", "--topic", f"{name}.events", "--json")
    assert (ran.code, ran.json["events"]) == (0, 40), ran.err
    assert leadflow("kafka", "relay", "--verify", "--topic", f"{name}.events").code == 0
