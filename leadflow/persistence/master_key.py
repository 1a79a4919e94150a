"""The master key: where it comes from, and the file that the embedded default makes."""

from __future__ import annotations

import binascii
import os
import secrets
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from leadflow.errors import KeyUnavailable
from leadflow.persistence.keys import KEY_BYTES
from leadflow.persistence.publishing import publish, unfinished

KEY_VARIABLE: Final = "LEADFLOW_KEY"
KEY_FILE_VARIABLE: Final = "LEADFLOW_KEY_FILE"
_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a store's master key is to be looked for."""

    text: str | None = field(repr=False)
    """The key itself, as text; then there is no file."""
    file: Path | None
    named_by: str
    """Who said so, for messages: an argument, a variable, or the store's own name."""

    @property
    def place(self) -> str:
        return str(self.file) if self.file else self.named_by


def key_source(key: str | None, key_file: Path | None, beside: Path | None) -> KeySource | None:
    """The first that is given: argument, environment, the file beside the store."""
    if key is not None and key_file is not None:
        raise KeyUnavailable("both a key and a key file are given", hint="Give one of them.")
    if key is not None:
        return KeySource(key, None, "the key given")
    if key_file is not None:
        return KeySource(None, key_file, "the key file given")
    if text := os.environ.get(KEY_VARIABLE):
        return KeySource(text, None, f"the variable {KEY_VARIABLE}")
    if name := os.environ.get(KEY_FILE_VARIABLE):
        return KeySource(None, Path(name), f"the variable {KEY_FILE_VARIABLE}")
    if beside is not None:
        return KeySource(None, key_file_beside(beside), "the store's name")
    return None


def key_file_beside(store: Path) -> Path:
    """The key file of a store's file: the same name with `.key` after it."""
    return store.with_name(store.name + ".key")


def new_key() -> bytes:
    """A master key that nobody has."""
    return secrets.token_bytes(KEY_BYTES)


def key_text(key: bytes) -> str:
    """The key as it is written in a file or a variable."""
    return b64encode(key).decode("ascii")


def read_key(source: KeySource) -> bytes:
    """The master key.

    Raises:
        KeyUnavailable: when it is missing, unreadable, or not 32 bytes in base64 or hex.
    """
    text = source.text if source.text is not None else _file_text(source)
    key = _parse(text.strip())
    if key is None:
        raise KeyUnavailable(
            f"{source.place} holds no key: {KEY_BYTES} bytes in base64 or hex are wanted",
            hint="Bring back the key file that was made with the store.",
        )
    return key


def _file_text(source: KeySource) -> str:
    file = source.file
    assert file is not None
    restore = "Bring back the key file that was made with the store, or name it by --key-file."
    try:
        with file.open("rb") as stream:
            return stream.read(_LONGEST).decode("ascii", errors="replace")
    except FileNotFoundError:
        raise KeyUnavailable(f"the key file {file} is missing", hint=restore) from None
    except PermissionError:
        raise KeyUnavailable(
            f"the key file {file} cannot be read by this user",
            hint="Let this user read it, or run as the user who owns it.",
        ) from None
    except OSError as error:
        raise KeyUnavailable(
            f"the key file {file} cannot be read: {error.strerror}", hint=restore
        ) from None


def _parse(text: str) -> bytes | None:
    if len(text) == 2 * KEY_BYTES:
        with suppress(ValueError):
            return bytes.fromhex(text)
    try:
        key = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def publish_key(file: Path, key: bytes) -> bool:
    """Make the key file, readable by its owner only; False when there is one already.

    The file appears whole or not at all.
    """
    try:
        with unfinished(file) as written:
            descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(key_text(key).encode("ascii") + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            return publish(written, file)
    except OSError as error:
        raise KeyUnavailable(
            f"the key file {file} cannot be made: {error.strerror}",
            hint="Make its folder writable, or name another place by --key-file.",
        ) from None


def open_to_others(file: Path) -> bool:
    """Whether anybody but its owner may read the key file."""
    with suppress(OSError):
        return bool(file.stat().st_mode & 0o077)
    return False
