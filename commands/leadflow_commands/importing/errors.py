"""Why an import ends before it begins."""

from __future__ import annotations

from leadflow.errors import InvalidInput


class UnreadableFile(InvalidInput):
    """A file as a whole is not what its mapping says; nothing of it was recorded."""

    code = "unreadable_file"
