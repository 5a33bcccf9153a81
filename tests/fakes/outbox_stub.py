"""An outbox without a disk, and a frame server without sockets, for commands and rows."""

from __future__ import annotations

from edged.transport.outbox_rows import OutboxStats, PurgeReceipt, Row

SESSION = "5b0c2f6e-0d6e-4a53-9d53-0d5e9d1f2a77"


class StubOutbox:
    """Ten rows that are always pending; every call is taken."""

    session = SESSION

    def stats(self):
        names = ("unsent_bytes", "retained", "retained_bytes", "aside", "used_bytes")
        zero = dict.fromkeys(names, 0)
        return OutboxStats(
            session=SESSION, depth=1, oldest_unsent_s=0.0, max_bytes=2, disk_free_bytes=3, **zero
        )

    def purge(self, _selector):
        counts = dict.fromkeys(("rows", "pictures", "verdicts", "gaps", "keys"), 1)
        return PurgeReceipt(**counts, wal_truncated=True, at_ms=1)

    def replay(self, _camera, _first, _last, _session):
        return {"requeued": 0}

    def pending(self, count, in_flight):
        return [row for row in range(1, 11) if row not in in_flight][:count]

    def load(self, row):
        return Row(row, "result", "booth", f"id-{row}", b"{}", b"\xff\xd8picture")

    def ack(self, *rows):
        assert all(1 <= row <= 10 for row in rows), "a row that was not handed out"

    def set_aside(self, row, _reason):
        assert 1 <= row <= 10, "a row that was not handed out"

    def requeue_all(self):
        return 10

    def handed_out(self, row):
        """A row is on its way."""

    def tidy(self):
        """Nothing to carry over."""


class StubFrames:
    """A frame server that can be paused."""

    def pause(self, reason):
        self.reason = reason

    def resume(self):
        self.reason = None
