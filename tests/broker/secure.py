"""A broker with passwords and TLS, and the files that its clients need."""

from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

import trustme
from cryptography.hazmat.primitives import serialization

from tests.broker.server import KafkaBroker, free_port

USER: Final = "leadflow"


@dataclass(frozen=True)
class Secured:
    """A secured broker, and what opens its doors."""

    broker: KafkaBroker
    password: str
    """Of the user `leadflow`."""
    tls_address: str
    """Where a certificate is asked for instead of a password."""
    ca_file: Path
    other_ca_file: Path
    """Of an authority that signed nothing here."""
    cert_file: Path
    key_file: Path


def secured(folder: Path) -> Secured:
    """A broker of its own in this folder, not started yet."""
    authority, other = trustme.CA(), trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    mine = authority.issue_cert("leadflow@example.org")
    files = Secured.__annotations__.keys() - {"broker", "password", "tls_address"}
    paths = {name: folder / f"{name.removesuffix('_file')}.pem" for name in files}
    authority.cert_pem.write_to_path(str(paths["ca_file"]))
    other.cert_pem.write_to_path(str(paths["other_ca_file"]))
    mine.cert_chain_pems[0].write_to_path(str(paths["cert_file"]))
    mine.private_key_pem.write_to_path(str(paths["key_file"]))
    keystore = folder / "broker.pem"
    keystore.write_bytes(
        b"".join(
            [
                _pkcs8(server.private_key_pem.bytes()),
                *(pem.bytes() for pem in server.cert_chain_pems),
                authority.cert_pem.bytes(),
            ]
        )
    )
    internal, password = token_hex(16), token_hex(16)
    port, tls_port, controller = free_port(), free_port(), free_port()
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    broker = KafkaBroker(
        folder,
        port=port,
        template="server-secure.properties",
        settings={
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "listeners": f"SASL_SSL://127.0.0.1:{port},SSL://127.0.0.1:{tls_port},"
            f"CONTROLLER://127.0.0.1:{controller}",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                f'{login} username="broker" password="{internal}";'
            ),
            "ssl.keystore.location": keystore,
            "ssl.truststore.location": paths["ca_file"],
        },
        scram={"broker": internal, USER: password},
    )
    return Secured(broker, password, f"127.0.0.1:{tls_port}", **paths)


def _pkcs8(pem: bytes) -> bytes:
    """A private key in the one form that Java reads."""
    key = serialization.load_pem_private_key(pem, password=None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
