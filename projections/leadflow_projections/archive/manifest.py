"""A segment's manifest: what of the log it holds, and what its file must be."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from leadflow_projections.archive.columns import fingerprint

_TAIL: Final = 8
"""The last bytes of a Parquet file: the footer's length, and its mark."""
_MARK: Final = b"PAR1"


class Doubtful(Exception):
    """A segment that is not what was sealed, and why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was sealed. Hashes are SHA-256 in hexadecimal, moments µs since the epoch, UTC."""

    first: int
    last: int
    previous_hash: str
    """The log's hash before the first event."""
    last_hash: str
    """The log's hash at the last event."""
    recorded_from: int
    recorded_to: int
    schema: str
    """The fingerprint of the columns, see `columns.fingerprint`."""
    file: str
    """The Parquet file's name, in the same folder."""
    size: int
    content_hash: str
    """Of the whole file."""
    footer_hash: str
    """Of the file's footer alone, which every reader checks."""

    @property
    def events(self) -> int:
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """How the segment is named to people: its positions."""
        return f"{self.first}-{self.last}"

    @property
    def is_ours(self) -> bool:
        """Whether this program's columns are those that it has."""
        return self.schema == fingerprint()

    def to_text(self) -> str:
        """The manifest's file: JSON, with a hash over everything else in it."""
        data = asdict(self)
        return json.dumps({**data, "manifest_hash": _hash_of(data)}, indent=1) + "\n"


def manifest_name(first: int) -> str:
    """The name of the manifest of the segment that begins at a position."""
    return f"{first:012d}.json"


def data_name(first: int, last: int) -> str:
    """A new name for a segment's Parquet file: never one that was given before."""
    return f"{first:012d}-{last:012d}.{uuid4().hex[:8]}.parquet"


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        Doubtful: when it is none, or was altered.
        OSError: when it cannot be read.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        said = data.pop("manifest_hash")
        manifest = Manifest(**data)
    except (ValueError, TypeError, AttributeError, LookupError):
        raise Doubtful("its manifest cannot be read") from None
    if said != _hash_of(data) or path.name != manifest_name(manifest.first):
        raise Doubtful("its manifest was altered")
    if manifest.last < manifest.first or Path(manifest.file).name != manifest.file:
        raise Doubtful("its manifest makes no sense")
    return manifest


def _hash_of(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def check_file(folder: Path, manifest: Manifest) -> None:
    """See that the segment's file has its size and its footer.

    Raises:
        Doubtful: when it has not.
    """
    with _opened(folder, manifest) as file:
        size = os.fstat(file.fileno()).st_size
        if size != manifest.size:
            raise Doubtful(f"its file has {size:,} bytes, and was sealed with {manifest.size:,}")
        if footer_hash(file.read, file.seek, size) != manifest.footer_hash:
            raise Doubtful("its file's footer was altered")


def check_content(folder: Path, manifest: Manifest) -> None:
    """See that the segment's file is what was sealed, byte for byte.

    Raises:
        Doubtful: when it is not.
    """
    with _opened(folder, manifest) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != manifest.content_hash:
            raise Doubtful("its file was altered")


def _opened(folder: Path, manifest: Manifest) -> Any:
    try:
        return (folder / manifest.file).open("rb")
    except FileNotFoundError:
        raise Doubtful(f"its file {manifest.file} is missing") from None
    except OSError as error:
        raise Doubtful(f"its file {manifest.file} cannot be read: {error.strerror}") from None


def footer_hash(read: Any, seek: Any, size: int) -> str:
    """The hash of a Parquet file's footer: its metadata, their length and the closing mark."""
    seek(max(0, size - _TAIL))
    tail: bytes = read(_TAIL)
    length = int.from_bytes(tail[:4], "little") + _TAIL
    if tail[4:] != _MARK or length > size:
        raise Doubtful("its file has no footer")
    seek(size - length)
    return hashlib.sha256(read(length)).hexdigest()
