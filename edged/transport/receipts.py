"""Receipts of purges: what was destroyed, signed with the device's own key (Ed25519, RFC 8032).

A receipt is kept by whoever asked for the purge, perhaps for years, so it says enough to be
held against a consumer's records and nothing that leads back to a person: numbers of
results, no hashes of pictures (a hash is a fingerprint that a copy can be found by), and
the consent reference or shot id as a salted hash, which whoever knows it can check.

The signature is over a prefix and the receipt's canonical JSON (RFC 8785: keys sorted, no
white space; it has no fractions).  Knows no files and no outbox.
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edged.transport.outbox_rows import PurgeReceipt, PurgeSelector, Removed

PREFIX = b"edged purge receipt 1\n"
"""Signed with every receipt, so that no other document's signature can pass for one."""
KEY_PREFIX = "ed25519:"
"""Begins a public key as text: 32 bytes in base 64 follow."""
_SALT_BYTES = 16


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a purge was asked to destroy.

    Attributes:
        by: kind of the selector.
        digest, salt: HMAC-SHA256 of shot id or consent reference under a fresh salt, hex.
        before_ms: of "before".
    """

    by: Literal["all", "shot", "consent", "before"]
    digest: str = ""
    salt: str = ""
    before_ms: int = 0

    @staticmethod
    def of(selector: PurgeSelector) -> Asked:
        """What a receipt tells of a selector."""
        if selector.all:
            return Asked("all")
        if selector.before_ms:
            return Asked("before", before_ms=selector.before_ms)
        name = "shot" if selector.shot else "consent"
        salt = secrets.token_bytes(_SALT_BYTES)
        digest = _digest(salt, selector.shot or selector.consent)
        return Asked(name, digest, salt.hex())  # type: ignore[arg-type]  # one of two literals

    def names(self, text: str) -> bool:
        """Whether a shot id or consent reference is the one that was asked for."""
        try:
            salt = bytes.fromhex(self.salt)
        except ValueError:
            return False
        expected = _digest(salt, text).encode()  # as bytes: texts must be ASCII to be compared
        return bool(self.digest) and hmac.compare_digest(expected, self.digest.encode())


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a device says that it destroyed.

    Attributes:
        id: UUID of the receipt.
        device, site: who says so.
        session: of the outbox at the time.
        at_ms, clock_synced: when, and whether the clock could be believed.
        asked: what was to be destroyed.
        rows, pictures, keys, verdicts, gaps, wal_truncated: see
            :class:`edged.transport.outbox_rows.PurgeReceipt`.
        removed: numbers of the results that went, in ranges.
        removed_more: ranges beyond the bound of a receipt.
    """

    kind: Literal["edged-purge-receipt"] = "edged-purge-receipt"
    v: Literal[1] = 1
    id: str
    device: str
    site: str
    session: str
    at_ms: int
    clock_synced: bool
    asked: Asked
    rows: int
    pictures: int
    keys: int
    verdicts: int
    gaps: int
    wal_truncated: bool
    removed: tuple[Removed, ...]
    removed_more: int = 0


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A receipt, the key that signed it and the signature in base 64."""

    receipt: Receipt
    public_key: str
    signature: str


class Notary:
    """Signs receipts in the name of one device.

    Args:
        key: the device's own.
        device: its name.
        site: where it is.
    """

    def __init__(self, key: Ed25519PrivateKey, device: str, site: str) -> None:
        self._key = key
        self._device, self._site = device, site
        self.public_key = key_text(key.public_key())

    def sign(
        self, selector: PurgeSelector, found: PurgeReceipt, session: str, *, clock_synced: bool
    ) -> dict[str, Any]:
        """The signed receipt of a purge, as plain JSON values.

        Args:
            selector: what was asked.
            found: what the outbox did.
            session: of the outbox.
            clock_synced: whether `found.at_ms` can be believed.
        """
        receipt = Receipt(
            id=str(uuid.uuid4()),
            device=self._device,
            site=self._site,
            session=session,
            clock_synced=clock_synced,
            asked=Asked.of(selector),
            **{name: getattr(found, name) for name in found.__struct_fields__},
        )
        signature = b64encode(self._key.sign(_signed_bytes(receipt))).decode()
        return dict(msgspec.to_builtins(Signed(receipt, self.public_key, signature)))


def key_text(key: Ed25519PublicKey) -> str:
    """A public key as `info` tells it."""
    return KEY_PREFIX + b64encode(key.public_bytes_raw()).decode()


def verify(signed: bytes | Mapping[str, Any], public_key: str) -> Receipt:
    """Check a receipt against a device's key.

    Args:
        signed: the file, or what was decoded from it.
        public_key: text of the key that the device is known by (from its `info`), not the
            one that the receipt brings along.

    Returns:
        The receipt, every word of which the device has signed.

    Raises:
        ValueError: it is none, or was altered, or another key signed it.
    """
    try:
        if isinstance(signed, bytes):
            found = msgspec.json.decode(signed, type=Signed)
        else:
            found = msgspec.convert(signed, Signed)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ValueError("this is no receipt of a purge, or fields of it are altered") from None
    key = _key_of(public_key)
    if found.public_key != public_key:
        raise ValueError(f"another key signed this receipt: {found.public_key}")
    try:
        key.verify(b64decode(found.signature, validate=True), _signed_bytes(found.receipt))
    except (InvalidSignature, ValueError):
        raise ValueError("the signature does not fit: the receipt was altered") from None
    return found.receipt


def _key_of(text: str) -> Ed25519PublicKey:
    try:
        raw = b64decode(text.removeprefix(KEY_PREFIX), validate=True)
        if text.startswith(KEY_PREFIX):
            return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        pass
    raise ValueError(f"a device's key looks like {KEY_PREFIX}BASE64=; `edged receipt key` tells it")


def _signed_bytes(receipt: Receipt) -> bytes:
    return PREFIX + msgspec.json.encode(receipt, order="sorted")


def _digest(salt: bytes, text: str) -> str:
    return hmac.new(salt, text.encode(), "sha256").hexdigest()
