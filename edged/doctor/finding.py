"""What a check finds, and what a check is.

Knows no machine.  A finding holds nothing secret and nothing from a frame: it is meant to
be pasted into a report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from edged.doctor.host import Host
from edged.doctor.setup import Setup

Level = Literal["ok", "note", "warn", "fail"]
"""ok: as it should be; note: worth knowing, nothing to do; warn: works, but not as well or
as safely as meant; fail: the engine will not start, or does not do what is configured."""

Group = Literal["machine", "graphics", "software", "configuration", "models", "privacy", "network"]

BADNESS: Final[Mapping[Level, int]] = {"ok": 0, "note": 1, "warn": 2, "fail": 3}
"""Order of the levels, the worst has the largest number."""

GROUPS: Final[tuple[Group, ...]] = (
    "machine", "graphics", "software", "configuration", "models", "privacy", "network",
)  # fmt: skip
"""In the order of the report."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check says.

    Attributes:
        id: slug that stays the same over versions, `<check>.<what>`.
        level: see :data:`Level`.
        what: one sentence, for people.
        where: file, device, package or key that it is about.
        advice: what to do or to know, in a sentence or two, where a command alone does
            not say it.
        cure: commands to copy, one a line; only such as are safe to run as they stand.
        data: the same for machines: plain JSON values.
    """

    id: str
    level: Level
    what: str
    where: str = ""
    advice: str = ""
    cure: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One thing that is looked at.

    Attributes:
        id: slug, the name of its file with dashes.
        group: heading that it stands under.
        title: what it looks at, for `--list` and for a check that did not end.
        look: does it; returns an "ok" finding if all is well, and nothing at all where
            there is nothing to look at (a Jetson's power mode on a PC).
        timeout_s: it is given up after so long.
        configured: it asks the configuration, so it is left out when that is not valid.
    """

    id: str
    group: Group
    title: str
    look: Callable[[Host, Setup], Iterable[Finding]]
    timeout_s: float = 10.0
    configured: bool = False


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level among findings, "ok" if there are none."""
    return max((finding.level for finding in findings), key=BADNESS.__getitem__, default="ok")
