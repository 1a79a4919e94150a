"""A broker of our own: started, stopped, killed and started again under one address."""

import base64
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psutil

from tests.broker.fetching import HERE, BrokerUnavailableError, programs

START_SECONDS: Final = 60
JAVA: Final = ("java", "-Xmx512m", "-XX:+UseSerialGC", "-cp")

# Ends the broker when the last process that holds the other end of its input is gone, however
# that ended; "$0" is the broker's folder, removed then where the second word says so.
GUARDED: Final = """
keep=$1; shift
"$@" & echo $! >"$0/pid"
read -r _
kill -CONT $! 2>/dev/null; kill -TERM $! 2>/dev/null; wait $!
[ "$keep" = keep ] || rm -rf "$0"
"""


# Starts a command that may outlive the one who starts it.
AWAY: Final = ("/bin/sh", "-c", 'exec 3<&0; "$0" "$@" <&3 3<&- &')


class KafkaBroker:
    """One node in a folder of its own, on a port of 127.0.0.1.

    What it acknowledged survives its own death, not the machine's. `settings` are those of the
    broker (server.properties), over the ones committed here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        template: str = "server.properties",
        settings: Mapping[str, object] | None = None,
        scram: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._log = folder / "log"
        self._process: subprocess.Popen[Any] | None = None
        self._libraries = f"{programs()}/*"
        controller = f"127.0.0.1:{free_port()}"
        own: dict[str, object] = {
            "log.dirs": folder / "data",
            "controller.quorum.bootstrap.servers": controller,
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
        }
        self.controller = controller
        self._settings = own | dict(settings or {})
        self._write_properties(template)
        self._format(scram or {})

    def start(self, *, until: int | None = None, keep: bool = True) -> None:
        """Start it and wait until it answers.

        It ends with this process; or, given the reading end of a pipe by `until`, when nobody
        holds the other end any more. Without `keep` its folder is removed then.
        """
        command = ["/bin/sh", "-c", GUARDED, str(self.folder), "keep" if keep else "remove"]
        command += [*JAVA, self._libraries, "kafka.Kafka", str(self._properties)]
        if until is not None:
            command = [*AWAY, *command]
        (self.folder / "pid").unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if until is None else until,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if until is not None:
            self._process.wait()
        self._wait_until_ready()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM closes it in order; SIGKILL is a crash that its next start recovers from."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self.signal(how)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=START_SECONDS)
        self._process = None

    def signal(self, which: signal.Signals) -> None:
        """Send the broker itself a signal, such as SIGSTOP."""
        os.kill(self.number, which)

    @property
    def number(self) -> int:
        """The broker's process id."""
        return int((self.folder / "pid").read_text())

    def _write_properties(self, template: str) -> None:
        committed = (HERE / template).read_text(encoding="utf-8")
        lines = [f"{name}={value}" for name, value in self._settings.items()]
        self._properties = self.folder / "server.properties"
        self._properties.touch(mode=0o600)
        self._properties.write_text("\n".join([committed, *lines, ""]), encoding="utf-8")

    def _format(self, scram: Mapping[str, str]) -> None:
        cluster = base64.urlsafe_b64encode(b"leadflow" + uuid4().bytes[:8]).decode().rstrip("=")
        command = [*JAVA, self._libraries, "kafka.tools.StorageTool", "format", "--standalone"]
        command += ["-t", cluster, "-c", str(self._properties)]
        for user, password in scram.items():
            command += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerUnavailableError(f"the broker's folder: {done.stderr.strip()[-1000:]}")

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError as error:
                if self._alive() and time.monotonic() < until:
                    time.sleep(0.02)
                    continue
                said = self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""
                self.stop(signal.SIGKILL)
                raise BrokerUnavailableError(f"the broker did not start: {said}") from error

    def _alive(self) -> bool:
        """Whether the broker itself runs; its guard does so in any case."""
        try:
            return psutil.Process(self.number).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except (FileNotFoundError, ValueError):  # not started yet
            return True


def free_port() -> int:
    """A port that no outgoing connection takes while the broker is down.

    Ports from 32768 on are given to clients; one that keeps trying to reach a broker there may
    in the end be connected with itself, and hold the port.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
