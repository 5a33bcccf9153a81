"""The values that go into and come out of the outbox.

Knows no SQLite and no files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

from edged.transport.wire import CONSENT, VerdictDoc

OnEvent = Callable[[str, str, dict[str, Any]], None]
"""Takes an event's name, its reason and its numbers, for the `event` topic."""

GapReason = Literal["overflow", "purge", "poison", "expired", "damaged"]
AsideReason = Literal["too-large", "not-authorised", "rejected"]


class Place(NamedTuple):
    """Where a result belongs in the stream of its camera."""

    session: str
    camera: str
    seq: int


@dataclass(frozen=True, repr=False)
class PayloadMac:
    """Keyed digest of a shot's payload, (32,) bytes; made by `Outbox.digest` alone."""

    value: bytes


Payload = bytes | bytearray | memoryview | PayloadMac

_SHOT_CHARS = 64
"""Bound of a shot id in a command; ids on the wire are UUIDs (36)."""


class OutboxLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long and how much the outbox keeps.

    Attributes:
        retention_s: acknowledged rows stay replayable so long after they were made.
        unsent_max_age_s: rows that nobody took are given up after so long.
        max_bytes: of all documents and pictures together.
        dedupe_days: how long the verdict of a shot id is remembered.
        overflow: what a full outbox does when only unsent rows are left in it.
        min_free_bytes: of the disk, below which no row is taken.
    """

    retention_s: float = 24 * 3600.0
    unsent_max_age_s: float = 7 * 24 * 3600.0
    max_bytes: int = 1 << 30
    dedupe_days: float = 7.0
    overflow: Literal["drop_oldest", "refuse"] = "drop_oldest"
    min_free_bytes: int = 64 << 20


@dataclass(frozen=True, repr=False)
class Row:
    """One row as it goes to the uplink.

    Attributes:
        row: its number, to acknowledge it by.
        kind: "result" or "gap".
        id: the result's id, empty for a gap.
        doc_json: the document's JSON, session, seq and historical filled in.
        jpeg: the picture, None for a gap.
    """

    row: int
    kind: Literal["result", "gap"]
    camera: str
    id: str
    doc_json: bytes
    jpeg: bytes | None


@dataclass(frozen=True, repr=False)
class Known:
    """What became of a shot that came before.

    Attributes:
        verdict: the first answer.
        picture: its JPEG while the row is retained.
    """

    verdict: VerdictDoc
    picture: bytes | None


_LATEST_MS = 2**63 - 1
"""What SQLite's integers hold."""


@dataclass(frozen=True, repr=False)
class PurgeSelector:
    """Which rows a purge takes: all, one shot, one consent, or all before a time."""

    all: bool = False
    shot: str = ""
    consent: str = ""
    before_ms: int = 0

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> PurgeSelector:
        """The selector of a `purge` command's data.

        Raises:
            ValueError: when it is not exactly one of `all`, `shot`, `consent`, `before_ms`.
        """
        if len(data) == 1:
            name, value = next(iter(data.items()))
            if name == "all" and value is True:
                return PurgeSelector(all=True)
            if name == "shot" and isinstance(value, str) and 0 < len(value) <= _SHOT_CHARS:
                return PurgeSelector(shot=value)
            if name == "consent" and isinstance(value, str) and re.fullmatch(CONSENT, value):
                return PurgeSelector(consent=value)
            if name == "before_ms" and type(value) is int and 0 < value <= _LATEST_MS:
                return PurgeSelector(before_ms=value)
        raise ValueError(
            'purge takes exactly one of {"all": true}, {"shot": ID}, {"consent": REF}, '
            '{"before_ms": MILLISECONDS}'
        )


class Removed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Results that a purge removed: numbers of one camera, `from` and `to` inclusive."""

    session: str
    camera: str
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")


MAX_REMOVED = 256
"""Ranges in one receipt: it must fit a reply, and a purge of all has one a camera."""


class PurgeReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a purge removed, for the operator's record.

    Attributes:
        rows: results whose key was destroyed and whose row was deleted.
        pictures: those of them that still held a picture.
        verdicts: remembered answers that were replaced by "purged".
        gaps: sequence numbers that consumers are told of.
        keys: keys that were overwritten.
        wal_truncated: false when another reader held the log; it is then emptied by
            the next `enforce`.  What is in it is unreadable either way.
        at_ms: when.
        removed: numbers of the rows, in ranges; the first 256.
        removed_more: ranges beyond these.
    """

    rows: int
    pictures: int
    verdicts: int
    gaps: int
    keys: int
    wal_truncated: bool
    at_ms: int
    removed: tuple[Removed, ...] = ()
    removed_more: int = 0


class OutboxStats(msgspec.Struct, frozen=True, kw_only=True):
    """Figures for health and `edged outbox`.

    Attributes:
        depth: rows that wait for an acknowledgement.
        oldest_unsent_s: age of the first of them, 0 when there is none.
        retained: acknowledged rows that can be replayed.
        aside: rows that the broker will never take.
        used_bytes: of documents and pictures, of `max_bytes`.
        last_purge_ms: when something was purged last, 0 for never; last_purge_rows: how much.
    """

    session: str
    depth: int
    unsent_bytes: int
    oldest_unsent_s: float
    retained: int
    retained_bytes: int
    aside: int
    used_bytes: int
    max_bytes: int
    disk_free_bytes: int
    last_purge_ms: int = 0
    last_purge_rows: int = 0
