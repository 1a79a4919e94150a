"""The broker's programs: fetched once by Maven into a folder that outlives the run."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
CACHE: Final = HERE.parents[1] / ".cache" / "kafka"
_FETCH_SECONDS: Final = 600


class BrokerUnavailableError(Exception):
    """No Kafka broker can be had here."""


def programs() -> Path:
    """The folder with the broker's jars, for the pom.xml as it stands.

    Raises:
        BrokerUnavailableError: without Java or Maven, or when Maven cannot fetch.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise BrokerUnavailableError(f"{program} is not installed")
    pom = HERE / "pom.xml"
    wanted = CACHE / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several workers one fetches, the others wait
        if not wanted.is_dir():
            unfinished = CACHE / f".{wanted.name}.{os.getpid()}"
            _fetch(pom, unfinished)
            unfinished.rename(wanted)
    return wanted


def _fetch(pom: Path, into: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={into}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise BrokerUnavailableError(f"Maven did not finish in {_FETCH_SECONDS} s") from error
    if done.returncode:
        shutil.rmtree(into, ignore_errors=True)
        said = (done.stdout + done.stderr).strip()
        raise BrokerUnavailableError(f"Maven could not fetch the broker: {said[-1000:]}")
