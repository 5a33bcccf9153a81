"""What stands on the disk for ids and consents: keyed digests, which tell a thief nothing.

One place makes them, for whoever writes a row and whoever purges it must come to the same.
"""

from __future__ import annotations

from edged.transport.outbox_store import Store
from edged.transport.wire import ResultDoc


def shot_digest(store: Store, shot_id: str) -> bytes:
    """Of a shot's id, (32,) bytes."""
    return store.vault.mac(b"shot", shot_id.encode())


def consent_digest(store: Store, ref: str) -> bytes:
    """Of a consent reference, (32,) bytes."""
    return store.vault.mac(b"consent", ref.encode())


def consents_of(store: Store, doc: ResultDoc) -> list[bytes]:
    """Of all consents that a result names."""
    refs = {*doc.consents, *(face.consent for face in doc.faces if face.consent)}
    return [consent_digest(store, ref) for ref in refs]
