"""Files that appear under their name whole, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_SQLITE_SUFFIXES: Final = ("", "-journal", "-wal", "-shm")


@contextmanager
def unfinished(file: Path) -> Generator[Path]:
    """A name beside the file to write it under; what is left there at the end is removed."""
    written = file.with_name(f".{file.name}.{secrets.token_hex(6)}.new")
    try:
        yield written
    finally:
        for suffix in _SQLITE_SUFFIXES:
            with suppress(OSError):
                written.with_name(written.name + suffix).unlink(missing_ok=True)


def publish(written: Path, file: Path) -> bool:
    """Give a finished file its name; False, and nothing done, when that is taken.

    Raises:
        OSError: the folder does not allow it.
    """
    try:
        os.link(written, file)
    except FileExistsError:
        return False
    except OSError as error:
        # A file system without links: renaming does as well, but for two who do it at once.
        if error.errno not in _NO_LINKS or file.exists():
            raise
        written.rename(file)
    _sync_folder(file.parent)
    return True


def _sync_folder(folder: Path) -> None:
    """Bring the new name itself to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
