"""Results wait although the uplink is connected, and none is taken.

The broker does not want them.  After a day without a network old results wait, too, but they
go out one after the other.
"""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen
from edged.troubles import AGEING_S

IDLE_S = 120.0
"""Nothing published for so long, with results that wait and a connection."""


def look(seen: Seen, _lit: bool) -> str:
    """Age of the oldest, and whether anything moves."""
    outbox, uplink = seen.doc.outbox, seen.doc.uplink
    if outbox is None or uplink is None or not uplink.connected or not outbox.depth:
        return ""
    moved = seen.history.increase("published", seen.now_s - IDLE_S)
    if moved is None:
        return ""
    old = outbox.oldest_unsent_s > AGEING_S
    return "results-not-taken" if old and moved == 0 else ""


CHECK = Check("results", ("results-not-taken",), look)
