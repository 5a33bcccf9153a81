"""Everything that takes rows out of the outbox: purge, age, size, damage.

Two orders of doing it, chosen by what a crash in between must not leave behind:

- a **purge** destroys the keys first and the rows after: what was asked to be gone is
  unreadable at once, and :func:`finish` deletes the rows at the next start;
- **retention** deletes the rows first (with their gaps, in one transaction) and the keys
  after: a key without a row is swept at the next start, and no gap is forgotten.

Runs under the outbox's lock; knows nothing of the uplink.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from edged.fresh_file import destroy, sync_folder
from edged.transport.outbox_digests import consent_digest, shot_digest
from edged.transport.outbox_forms import COPY_DAYS, remove_copies
from edged.transport.outbox_gaps import add_gaps
from edged.transport.outbox_missing import reconcile
from edged.transport.outbox_room import roomy
from edged.transport.outbox_rows import (
    MAX_REMOVED,
    GapReason,
    Place,
    PurgeReceipt,
    PurgeSelector,
    Removed,
)
from edged.transport.outbox_salvage import salvage
from edged.transport.outbox_schema import ACKED, DAMAGED, PENDING, is_full, note_purge
from edged.transport.outbox_store import DATABASE, KEYS, Store
from edged.transport.vault import SlotState
from edged.transport.wire import answer
from edged.verdicts import Reason, Verdict

log = logging.getLogger(__name__)

_COLUMNS = "row, session, camera, seq, slot, bytes, state, shot_mac"
_BATCH = 256
"""Rows in one transaction of the regular clean-up, so that a put never waits long."""
_UNDER_WAY_NS = 900 * 10**9
"""No frame is on its way for longer: the largest deadline is 600 s."""
_TOMBSTONE = msgspec.json.encode(answer(Verdict.FAILED, Reason.PURGED))


@dataclass(frozen=True, repr=False)
class Victim:
    """A result row that goes."""

    row: int
    session: str
    camera: str
    seq: int
    slot: int
    size_bytes: int
    state: int
    shot_mac: bytes

    @property
    def place(self) -> Place:
        """Where its gap belongs."""
        return Place(self.session, self.camera, self.seq)


def select(store: Store, where: str, args: tuple[object, ...], limit: int = -1) -> list[Victim]:
    """Result rows in hand-out order."""
    sql = f"SELECT {_COLUMNS} FROM rows WHERE kind='result' AND {where} ORDER BY row LIMIT ?"  # noqa: S608
    return [Victim(*found) for found in store.conn.execute(sql, (*args, limit))]


def delete(store: Store, victims: Sequence[Victim]) -> None:
    """Delete rows and what hangs on them; inside a transaction, keys untouched."""
    ids = [(victim.row,) for victim in victims]
    store.conn.executemany("DELETE FROM bodies WHERE row=?", ids)
    store.conn.executemany("DELETE FROM consents WHERE row=?", ids)
    store.conn.executemany("DELETE FROM rows WHERE row=?", ids)
    store.conn.executemany(
        "UPDATE shots SET row=NULL WHERE mac=?", [(victim.shot_mac,) for victim in victims]
    )


def forget(store: Store, victims: Sequence[Victim]) -> None:
    """After the commit of :func:`delete`: destroy the keys, let the slots be used again."""
    slots = [victim.slot for victim in victims]
    store.vault.destroy(slots)
    store.vault.release(slots)
    store.used_bytes -= sum(victim.size_bytes for victim in victims)
    store.handed.difference_update(victim.row for victim in victims)


def expire(store: Store, now_ms: int) -> int:
    """Give up what is older than the limits; at most one batch of each kind.

    Args:
        store: open.
        now_ms: wall clock; times in the database are of the same one.

    Returns:
        How many rows went.
    """
    limits = store.limits
    old_ms = now_ms - int(limits.retention_s * 1000)
    stale_ms = now_ms - int(limits.unsent_max_age_s * 1000)
    done = select(store, "state<>? AND created_ms<?", (PENDING, old_ms), _BATCH)
    stale = select(store, "state=? AND again=0 AND created_ms<?", (PENDING, stale_ms), _BATCH)
    asked_again = select(store, "state=? AND again=1 AND created_ms<?", (PENDING, old_ms), _BATCH)
    shots_ms = now_ms - int(limits.dedupe_days * 86_400_000)
    victims = [*done, *stale, *asked_again]

    def remove() -> None:
        with store.transaction() as conn:
            delete(store, victims)
            add_gaps(store, [victim.place for victim in stale], "expired")
            conn.execute(
                "DELETE FROM rows WHERE kind='gap' AND state<>? AND created_ms<?",
                (PENDING, old_ms),
            )
            aged = conn.execute(
                "DELETE FROM shots WHERE at_ms<? AND row IS NULL RETURNING mac", (shots_ms,)
            ).fetchall()
            store.marks.recent.forget(mac for (mac,) in aged)

    roomy(store, remove)
    forget(store, victims)
    remove_copies(store.folder, older_than_s=COPY_DAYS * 86_400.0)
    if stale:
        log.warning("outbox: %d rows that nobody took are expired", len(stale))
        store.on_event("outbox-expired", "unsent-too-old", {"rows": len(stale)})
    return len(victims)


def choose_overflow(store: Store, need_bytes: int) -> list[Victim] | None:
    """Rows to drop so that `need_bytes` more fit: acknowledged first, then the oldest.

    Returns:
        None when it cannot be made to fit.
    """
    over = store.used_bytes + need_bytes - store.limits.max_bytes
    victims: list[Victim] = []
    if need_bytes > store.limits.max_bytes:
        return None
    groups = ["state<>0"] if store.limits.overflow == "refuse" else ["state<>0", "state=0"]
    for where in groups:
        for victim in _walk(store, where):
            if over <= 0:
                return victims
            victims.append(victim)
            over -= victim.size_bytes
    return victims if over <= 0 else None


def _walk(store: Store, where: str) -> Iterator[Victim]:
    sql = f"SELECT {_COLUMNS} FROM rows WHERE kind='result' AND {where} ORDER BY row"  # noqa: S608
    return (Victim(*found) for found in store.conn.execute(sql))


def unsent(victims: Sequence[Victim]) -> list[Victim]:
    """Those that no broker has acknowledged."""
    return [victim for victim in victims if victim.state == PENDING]


def remove_unreadable(store: Store, victims: Sequence[Victim], reason: GapReason) -> None:
    """Delete rows whose body or key is spoiled; what was delivered needs no gap."""
    with store.transaction():
        delete(store, victims)
        gone = victims if reason == "purge" else [v for v in victims if v.state != ACKED]
        add_gaps(store, [victim.place for victim in gone], reason)
        if reason == "purge":
            _bury(store, [victim.shot_mac for victim in victims])
    forget(store, victims)


def finish(store: Store) -> None:
    """At start: finish purges that a crash cut, drop rows without a key, sweep keys.

    What was given out and is not there any more comes as a gap.
    """
    salvage(store)
    everything = select(store, "1", ())
    if store.new_keys:
        with store.transaction() as conn:
            conn.execute("UPDATE meta SET value=? WHERE name='vault'", (store.vault.vault_id,))
            conn.execute("DELETE FROM shots")
            store.marks.recent.clear()
            conn.execute("DELETE FROM consents")
            delete(store, everything)
            add_gaps(store, [v.place for v in everything if v.state != ACKED], "damaged")
        store.used_bytes = 0
        store.handed.clear()
        everything = []
        store.new_keys = False
    purged = [v for v in everything if store.vault.state(v.slot) is SlotState.DESTROYED]
    spoiled = [
        v for v in everything if store.vault.state(v.slot) in (SlotState.FREE, SlotState.DAMAGED)
    ]
    if purged:
        remove_unreadable(store, purged, "purge")
        log.warning("outbox: finished a purge of %d rows that a crash had cut", len(purged))
    if spoiled:
        remove_unreadable(store, spoiled, "damaged")
        log.error("outbox: %d rows have lost their key and are gone", len(spoiled))
        store.on_event("outbox-keys-damaged", "rows-lost", {"rows": len(spoiled)})
    gone = {v.row for v in purged} | {v.row for v in spoiled}
    store.vault.sweep({v.slot for v in everything if v.row not in gone})
    reconcile(store)


def purge(store: Store, selector: PurgeSelector) -> PurgeReceipt:
    """Destroy what the selector names; see the module for the order."""
    victims, macs = _chosen(store, selector)
    slots = [victim.slot for victim in victims]
    keys = store.vault.destroy(slots)
    store.conn.execute("PRAGMA secure_delete=ON")
    try:
        gaps, verdicts = roomy(store, lambda: _purge_rows(store, victims, macs))
        forget(store, victims)
        remove_copies(store.folder)
        if selector.all:
            store.marks.recent.clear()  # of shots that the database lost, too
            _remove_damaged(store)
        store.marks.sync()
        truncate_log(store)  # makes room for what follows
        shrink(store)
    finally:
        store.conn.execute("PRAGMA secure_delete=FAST")
    truncated = truncate_log(store)
    _sync_log(store)
    log.info("outbox: purged %d rows, %d keys destroyed", len(victims), keys)
    removed = _ranges(victims)
    return PurgeReceipt(
        rows=len(victims),
        pictures=len(victims),
        verdicts=verdicts,
        gaps=gaps,
        keys=keys,
        wal_truncated=truncated,
        at_ms=store.now_ms(),
        removed=tuple(removed[:MAX_REMOVED]),
        removed_more=max(0, len(removed) - MAX_REMOVED),
    )


def _purge_rows(store: Store, victims: Sequence[Victim], macs: Sequence[bytes]) -> tuple[int, int]:
    """Delete, in one transaction; how many gaps and verdicts that made."""
    with store.transaction():
        delete(store, victims)
        gaps = add_gaps(store, [victim.place for victim in victims], "purge")
        verdicts = _bury(store, [*macs, *(victim.shot_mac for victim in victims)])
        note_purge(store.conn, store.now_ms(), len(victims))
    return gaps, verdicts


def _ranges(victims: Sequence[Victim]) -> list[Removed]:
    """Numbers that follow each other, joined."""
    found: list[Removed] = []
    for place in sorted(victim.place for victim in victims):
        last = found[-1] if found else None
        if last and (last.session, last.camera, last.last + 1) == place:
            found[-1] = msgspec.structs.replace(last, last=place.seq)
        else:
            found.append(Removed(place.session, place.camera, place.seq, place.seq))
    return found


def shrink(store: Store, pages: int = 0) -> None:
    """Give free pages back to the disk, all of them for 0; waits for better times on a full one."""
    # execute() would free one page
    try:
        store.conn.executescript(f"PRAGMA incremental_vacuum({pages})")
    except sqlite3.OperationalError as error:
        if not is_full(error):
            raise
        log.info("outbox: the file is shrunk later, when the disk has room")


def truncate_log(store: Store) -> bool:
    """Empty the log; False, and tried again later, when a reader holds it or the disk is full."""
    try:
        busy = store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if not is_full(error):
            raise
        busy = True
    store.checkpoint_due = bool(busy)
    return not busy


def _sync_log(store: Store) -> None:
    """Make the log's new end last: SQLite does not, and a power cut would bring it all back."""
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(store.folder / f"{DATABASE}-wal", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _chosen(store: Store, selector: PurgeSelector) -> tuple[list[Victim], list[bytes]]:
    """Rows to purge, and digests of shot ids to bury even without a row."""
    if selector.all:
        macs = [bytes(found[0]) for found in store.conn.execute("SELECT mac FROM shots")]
        return select(store, "1", ()), macs
    if selector.shot:
        mac = shot_digest(store, selector.shot)
        return select(store, "shot_mac=?", (mac,)), [mac]
    if selector.consent:
        mac = consent_digest(store, selector.consent)
        _withdraw(store, mac)
        return select(store, "row IN (SELECT row FROM consents WHERE mac=?)", (mac,)), []
    before = (selector.before_ms,)
    old = store.conn.execute("SELECT mac FROM shots WHERE at_ms<?", before)
    return select(store, "created_ms<?", before), [bytes(found[0]) for found in old]


def _withdraw(store: Store, mac: bytes) -> None:
    """Remember a purged reference as long as a shot of before it may be in the pipeline."""
    now_ns = time.monotonic_ns()
    for other in [m for m, at_ns in store.withdrawn.items() if now_ns - at_ns > _UNDER_WAY_NS]:
        del store.withdrawn[other]
    store.withdrawn[mac] = now_ns


def _bury(store: Store, macs: Sequence[bytes]) -> int:
    """Put "purged" in the place of verdicts.

    An id that was never seen is buried too: a shot that is still in the pipeline when
    its purge comes is then refused by `put`.
    """
    now_ms = store.now_ms()
    unique = set(macs)
    store.marks.recent.forget(unique)
    store.conn.executemany(
        "INSERT INTO shots (mac, payload_mac, verdict, row, at_ms) VALUES (?, NULL, ?, NULL, ?)"
        " ON CONFLICT (mac) DO UPDATE SET payload_mac=NULL, verdict=excluded.verdict, row=NULL",
        [(mac, _TOMBSTONE, now_ms) for mac in unique],
    )
    return len(unique)


def _remove_damaged(store: Store) -> None:
    """A purge of everything takes files that were set aside with it."""
    for path in store.folder.glob(f"*{DAMAGED}*"):
        if path.name.startswith(KEYS):
            destroy(path)
        else:
            path.unlink()
    sync_folder(store.folder)
