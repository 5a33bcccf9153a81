"""The last hour of a device in figures, in little memory: what charts are drawn from."""

from __future__ import annotations

import math
from array import array

from edged.transport.wire_health import HealthDoc

LENGTH = 360
"""Points kept: an hour at one health document in ten seconds."""

FIELDS: tuple[str, ...] = (
    "fps", "latency_p50_ms", "latency_p95_ms", "rss_mb", "cpu_percent", "cpu_temp_c",
    "gpu_temp_c", "gpu_percent", "outbox_depth", "outbox_oldest_s", "answered", "refused",
)  # fmt: skip
"""`answered` and `refused` are counts since the engine's start."""

_ANSWERED = ("queued", "shown")


class History:
    """A ring of figures; 19 kB a device.

    Attributes:
        stages: p95 in ms of each stage, of the last document alone.
    """

    __slots__ = ("_columns", "_next", "_times", "stages")

    def __init__(self) -> None:
        self._times = array("d")
        self._columns = {name: array("f") for name in FIELDS}
        self._next = 0
        self.stages: dict[str, float] = {}

    def add(self, doc: HealthDoc, at_s: float) -> None:
        """One health document, heard at `at_s` (seconds of the hearer's clock)."""
        values = {name: getattr(doc, name, None) for name in FIELDS}
        if doc.outbox is not None:
            values["outbox_depth"] = doc.outbox.depth
            values["outbox_oldest_s"] = doc.outbox.oldest_unsent_s
        values["answered"] = sum(doc.verdicts.get(name, 0) for name in _ANSWERED)
        values["refused"] = doc.verdicts.get("refused", 0)
        columns = (self._times, *self._columns.values())
        row = (at_s, *(math.nan if v is None else v for v in values.values()))
        for column, value in zip(columns, row, strict=True):
            if len(column) < LENGTH:
                column.append(value)
            else:
                column[self._next] = value
        self._next = (self._next + 1) % LENGTH
        self.stages = {
            name: one.wall_p95_ms for name, one in doc.stages.items() if one.wall_p95_ms is not None
        }

    def __len__(self) -> int:
        return len(self._times)

    def series(self, name: str) -> list[tuple[float, float]]:
        """(time in s, value) of one of :data:`FIELDS`, oldest first, unknown values left out."""
        start = self._next if len(self._times) == LENGTH else 0
        order = [(start + i) % LENGTH for i in range(len(self._times))]
        column = self._columns[name]
        return [(self._times[i], column[i]) for i in order if not math.isnan(column[i])]

    def increase(self, name: str, since_s: float) -> float:
        """By how much a counter grew since a time; 0 across a restart that began it anew."""
        column, count = self._columns[name], len(self._times)
        if not count:
            return 0.0
        newest = (self._next - 1) % LENGTH if count == LENGTH else count - 1
        oldest = newest
        for back in range(1, count):
            at = (newest - back) % count
            if self._times[at] < since_s:
                break
            oldest = at
        grown = column[newest] - column[oldest]
        return grown if grown > 0 else 0.0
