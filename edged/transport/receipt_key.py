"""The key that a device signs its receipts with, in a file beside the outbox's keys.

Made once, mode 0600.  Where the outbox has a master key it is wrapped like the others
(RFC 3394), also when the master key comes later.  A damaged file is set aside and a new
key begins: receipts of the old one are verified with the public key noted then.

    magic 8 | version u16 | state u16 | key 40 (32 plain + 8 zero, or wrapped) | crc32
"""

from __future__ import annotations

import logging
import struct
import time
import zlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from edged.errors import OperatorError
from edged.fresh_file import write_fresh
from edged.transport.outbox_rows import OnEvent
from edged.transport.outbox_schema import set_aside
from edged.transport.vault import SlotState

log = logging.getLogger(__name__)

FILE = "receipt.key"
_MAGIC = b"EDGEDSIG"
_VERSION = 1
_BODY = struct.Struct(">8sHH40s")
_SEED_BYTES = 32


def open_key(folder: Path, master_key: bytes | None, on_event: OnEvent) -> Ed25519PrivateKey:
    """The key of an outbox folder, made where there is none.

    Args:
        folder: of the outbox, which must be open: its lock guards this file, too.
        master_key: wraps it, or None.
        on_event: told when a damaged key was replaced.

    Raises:
        OperatorError: it cannot be read or written, or its master key is absent or another.
    """
    path = folder / FILE
    try:
        if path.exists():
            try:
                seed, wrapped = _read(path, master_key)
            except ValueError as error:
                log.error("%s: %s; a new key begins", path, error)  # noqa: TRY400 - its text is ours
                set_aside(path, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
                on_event("receipt-key-replaced", "damaged", {})
            else:
                if master_key is not None and not wrapped:
                    _write(path, seed, master_key)
                return Ed25519PrivateKey.from_private_bytes(seed)
        key = Ed25519PrivateKey.generate()
        _write(path, key.private_bytes_raw(), master_key)
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be used ({error.strerror}): look at its owner and at the disk"
        ) from error
    return key


def _read(path: Path, master_key: bytes | None) -> tuple[bytes, bool]:
    """The seed, and whether it was wrapped.

    Raises:
        ValueError: the file is damaged.
        OperatorError: its master key is absent or another.
    """
    raw = path.read_bytes()
    end = _BODY.size
    if len(raw) != end + 4 or zlib.crc32(raw[:end]).to_bytes(4, "big") != raw[end:]:
        raise ValueError("the key of receipts is damaged")
    magic, version, state, body = _BODY.unpack_from(raw)
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError("not a key of receipts of this version")
    if state == SlotState.PLAIN:
        return body[:_SEED_BYTES], False
    try:
        if master_key is not None:
            return aes_key_unwrap(master_key, body), True
    except InvalidUnwrap:
        pass
    raise OperatorError(
        f"{path} is wrapped by a master key that was not given, or by another one; provide the "
        "credential it was made with, or move the file away (a new key begins)"
    )


def _write(path: Path, seed: bytes, master_key: bytes | None) -> None:
    state, body = SlotState.PLAIN, seed
    if master_key is not None:
        state, body = SlotState.WRAPPED, aes_key_wrap(master_key, seed)
    raw = _BODY.pack(_MAGIC, _VERSION, state, body)
    write_fresh(path, raw + zlib.crc32(raw).to_bytes(4, "big"), mode=0o600)
