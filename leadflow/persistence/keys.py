"""Keys: one for each lead, wrapped by the store's master key, and digests of addresses.

Personal data is sealed with AES-256-GCM under the lead's own data key, bound to the lead
and the event, so that no sealed text can be moved to another. The data key lies in the
store wrapped (RFC 3394) by a key that only the master key gives; erasing a lead removes
the wrapped key, and with it the only way to the personal data.
"""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping
from copy import copy
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from leadflow.errors import Conflict, KeyUnavailable

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_MOST_UNWRAPPED: Final = 20_000
_MOST_PENDING: Final = 20_000

FetchKeys = Callable[[Collection[UUID]], Mapping[UUID, bytes | None]]
"""Reads the wrapped keys of leads: None for an erased lead, absent for one without a key."""


class LeadKey(NamedTuple):
    """A lead's data key, ready for use, and as the store keeps it."""

    cipher: AESGCM
    wrapped: bytes
    new: bool
    """Not in the store yet: to be recorded with the first event that it seals."""


class Keys:
    """The keys of one store."""

    def __init__(self, master: bytes, fetch: FetchKeys) -> None:
        self._wrapping = _derive(master, b"leadflow 1 wrapping of data keys")
        self._digesting = _derive(master, b"leadflow 1 digests of addresses")
        self._sealing = AESGCM(_derive(master, b"leadflow 1 sealing of messages"))
        self._fetch = fetch
        # By wrapped key and never by lead: a key erased by another process is not served.
        self._cipher = lru_cache(maxsize=_MOST_UNWRAPPED)(self._unwrap)
        self._pending: dict[UUID, LeadKey] = {}

    def reading(self, fetch: FetchKeys) -> Keys:
        """The same keys, of which those in the store are read in another way.

        What is new and not yet recorded is not shared: a transaction may come to nothing.
        """
        other = copy(self)
        other._fetch = fetch
        other._pending = {}
        return other

    def address_digest(self, address: str) -> bytes:
        """The keyed hash under which an address, already normalised, is found (32 bytes)."""
        return hmac.digest(self._digesting, address.encode(), sha256)

    def digest(self, content: bytes) -> bytes:
        """The keyed hash of what a command said, which may be personal (32 bytes)."""
        return hmac.digest(self._digesting, b"command\0" + content, sha256)

    def seal_apart(self, name: UUID, content: bytes) -> bytes:
        """Seal what belongs to no lead's event, such as a message that could not be read.

        `name` binds it to its row: sealed for one, it cannot be opened for another.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._sealing.encrypt(nonce, content, name.bytes)

    def open_apart(self, name: UUID, sealed: bytes) -> bytes:
        """What `seal_apart` sealed.

        Raises:
            ValueError: when it was altered, or sealed for another name or by another key.
        """
        try:
            return self._sealing.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.bytes)
        except (InvalidTag, ValueError):
            raise ValueError("it does not open with the store's key: it was altered") from None

    def to_seal(self, lead_id: UUID, *, begins: bool = False) -> LeadKey:
        """The key to seal a lead's personal data with; made where it has none yet.

        `begins` says that the lead's first event is being recorded, so that the store need
        not be asked.

        Raises:
            Conflict: when the lead was erased.
        """
        found: Mapping[UUID, bytes | None] = {} if begins else self._fetch((lead_id,))
        return self._known_or_new(lead_id, found)

    def to_seal_all(self, begun: Collection[UUID], known: Collection[UUID]) -> dict[UUID, LeadKey]:
        """The same for many leads at once: those that begin now, and those that have events."""
        found: Mapping[UUID, bytes | None] = self._fetch(known) if known else {}
        return {lead: self._known_or_new(lead, found) for lead in (*begun, *known)}

    def _known_or_new(self, lead_id: UUID, found: Mapping[UUID, bytes | None]) -> LeadKey:
        if lead_id not in found:
            return self._pending.get(lead_id) or self._new(lead_id)
        wrapped = found[lead_id]
        if wrapped is None:
            raise Conflict(f"lead {lead_id} was erased and takes no more personal data")
        return LeadKey(self._cipher(wrapped), wrapped, new=False)

    def _new(self, lead_id: UUID) -> LeadKey:
        secret = os.urandom(KEY_BYTES)
        key = LeadKey(AESGCM(secret), aes_key_wrap(self._wrapping, secret), new=True)
        while len(self._pending) >= _MOST_PENDING:
            self._pending.pop(next(iter(self._pending)), None)
        return self._pending.setdefault(lead_id, key)

    def recorded(self, leads: Collection[UUID]) -> None:
        """Say that the new keys of these leads are in the store now."""
        for lead_id in leads:
            self._pending.pop(lead_id, None)

    def to_open(self, lead_id: UUID) -> bytes | None:
        """The lead's wrapped key as the store has it now; None when the lead was erased.

        Raises:
            KeyUnavailable: when the store has never heard of a key for this lead.
        """
        found = self._fetch((lead_id,))
        if lead_id not in found:
            raise KeyUnavailable(f"the store has no key for the personal data of lead {lead_id}")
        return found[lead_id]

    def open(self, wrapped: bytes, lead_id: bytes, event_id: bytes, sealed: bytes) -> bytes:
        """The personal data of one event, from its base64 text.

        Raises:
            KeyUnavailable: when the wrapped key is not one of this store's.
            ValueError: when the text was altered, or sealed for another lead or event.
        """
        cipher = self._cipher(wrapped)
        try:
            text = b64decode(sealed, validate=True)
            return cipher.decrypt(text[:_NONCE_BYTES], text[_NONCE_BYTES:], lead_id + event_id)
        except (InvalidTag, ValueError):
            raise ValueError(
                "its personal part does not open with the lead's key: it was altered, or sealed"
                " for another lead or event"
            ) from None

    def _unwrap(self, wrapped: bytes) -> AESGCM:
        try:
            return AESGCM(aes_key_unwrap(self._wrapping, wrapped))
        except (InvalidUnwrap, ValueError):
            raise KeyUnavailable(
                "a lead's data key does not open with the store's key: it was altered, or"
                " wrapped by the key of another store"
            ) from None


def seal(cipher: AESGCM, lead_id: bytes, event_id: bytes, personal: bytes) -> bytes:
    """Seal personal data for one event of one lead: base64 of nonce and ciphertext."""
    nonce = os.urandom(_NONCE_BYTES)
    return b64encode(nonce + cipher.encrypt(nonce, personal, lead_id + event_id))


def check_value(master: bytes, store_id: str) -> str:
    """What a store keeps of its master key, to notice the key of another store."""
    key = _derive(master, b"leadflow 1 check of the master key")
    return hmac.new(key, store_id.encode(), sha256).hexdigest()


def _derive(master: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=use).derive(master)
