"""Every error leadflow raises on purpose, in one tree.

Each carries a `code` that scripts may rely on, one sentence that names what was
wrong and where, and a `hint` that names the next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from uuid import UUID


class LeadflowError(Exception):
    """The root: catch this to catch all of them."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(LeadflowError):
    """What was given is not a valid event, command, policy, mapping or moment."""

    code = "invalid_input"


class Refused(LeadflowError):
    """A command broke a rule of the domain; nothing was recorded.

    `rule` is the rule's stable name, the same that stamps an irregular fact.
    """

    code = "refused"

    def __init__(self, message: str, *, rule: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


class CommandReused(LeadflowError):
    """A command id came again with other content than the first time."""

    code = "command_reused"


class Conflict(LeadflowError):
    """Another writer was first; the command was tried again and lost each time.

    `lead_id` says with whose events, where that is known.
    """

    code = "conflict"

    def __init__(
        self, message: str, *, hint: str | None = None, lead_id: UUID | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.lead_id = lead_id


class LeadNotFound(LeadflowError):
    """No lead has this id, prefix or external id."""

    code = "lead_not_found"


class AmbiguousLead(LeadflowError):
    """An id prefix fits more than one lead."""

    code = "ambiguous_lead"


class StoreError(LeadflowError):
    """The store could not be opened, read or written."""

    code = "store_error"


class InvalidStoreURL(StoreError):
    """The store URL names no scheme that leadflow knows, or no database."""

    code = "invalid_store_url"


class StoreNotFound(StoreError):
    """There is no store at this place."""

    code = "store_not_found"


class StoreLocked(StoreError):
    """Another process held the store's write lock for longer than the time-out."""

    code = "store_locked"


class StoreReadOnly(StoreError):
    """The store's file, folder or role does not allow writing."""

    code = "store_read_only"


class SchemaTooNew(StoreError):
    """The store was written by a newer leadflow than this one."""

    code = "schema_too_new"


class KeyUnavailable(StoreError):
    """The key that opens personal data is missing, unreadable or of another store."""

    code = "key_unavailable"


class LogCorrupt(LeadflowError):
    """An event of the log cannot be what was recorded; `position` is the first such."""

    code = "log_corrupt"

    def __init__(self, message: str, *, position: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.position = position


class PolicyChanged(Conflict):
    """Another scoring policy came into force since the command was decided."""

    code = "policy_changed"


class CommandRecorded(Conflict):
    """The command's id is in the log already; what it recorded can be looked up."""

    code = "command_recorded"


class ConnectionLost(StoreError):
    """The database went away; whether the last append is recorded is not known.

    Repeating it with the same command id is safe.
    """

    code = "connection_lost"


class StoreUnreachable(StoreError):
    """The database server cannot be reached, or does not let us in."""

    code = "store_unreachable"


class StoreFull(StoreError):
    """There is no room left where the store lies; nothing was recorded."""

    code = "store_full"


class StoreDamaged(StoreError):
    """The database itself says that its file is damaged, or is no database."""

    code = "store_damaged"


class SecondLibrary(StoreError):
    """A store's file was about to be opened beside its own SQLite library, in one process."""

    code = "second_library"


class InboxTaken(LeadflowError):
    """Another worker moved an inbox's offset, or settled a message, first; nothing was recorded."""

    code = "inbox_taken"


class MustWait(LeadflowError):
    """A fact has to wait for one that has not come yet, or behind one that waits so.

    `rule` says for what: not_captured, offer_unknown, order_unknown, or behind. `lead_id` and
    `lead_version` say whose fact it is, and how far that lead was.
    """

    code = "must_wait"

    def __init__(self, message: str, *, rule: str, lead_id: UUID, lead_version: int) -> None:
        super().__init__(message)
        self.rule = rule
        self.lead_id = lead_id
        self.lead_version = lead_version
