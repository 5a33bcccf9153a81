"""The bench's answer: one JSON document, and the same as tables for a person.

The document's form is fixed (README, "Speed"); `tests/bench` holds it.  Knows no clocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table


class PeerDoc(msgspec.Struct, kw_only=True):
    """insightface on the same frames and models; milliseconds a frame, medians.

    Attributes:
        host_ms: outside its sessions; session_ms: inside them.
        paste_ms: of the host time, its paste-back, all faces together.
    """

    host_ms: float
    session_ms: float
    paste_ms: float


class CaseDoc(msgspec.Struct, kw_only=True):
    """One case; milliseconds a frame, medians.

    Attributes:
        width, height, faces: the frame.
        host_ms: edged outside sessions and guard.
        session_ms: inside sessions, the guard's included.
        guard_host_ms: the guard outside sessions.
        paste_ms: of the host time, all faces together.
        floor_ms: the least OpenCV work for the same.
        floor_bytes_ms: the same less the tensors, which edged's graphs make themselves.
        end_to_end_p50_ms, end_to_end_p95_ms: raw frame to ruling, sessions and guard
            included, JPEG both ways not.
        insightface: the peer, or null where the package is not installed or has no such work.
        stages_ms: host time of each stage, sessions not included.
    """

    width: int
    height: int
    faces: int
    host_ms: float
    session_ms: float
    guard_host_ms: float
    paste_ms: float
    floor_ms: float
    floor_bytes_ms: float
    end_to_end_p50_ms: float
    end_to_end_p95_ms: float
    insightface: PeerDoc | None
    stages_ms: dict[str, float]


class BenchDoc(msgspec.Struct, kw_only=True):
    """The whole report.

    Attributes:
        machine: processor, cores, memory, system; threads, runs, background and work.
        versions: of edged and of what it was measured with.
        cases: in the order in which they ran.
    """

    machine: dict[str, str | int]
    versions: dict[str, str]
    cases: list[CaseDoc]


def show(report: BenchDoc, looks: dict[str, int], console: Console) -> None:
    """Print a report as three tables of at most 80 columns.

    Args:
        report: what was measured.
        looks: detector runs of the guard, by "WIDTHxHEIGHT:FACES".
        console: where to.
    """
    swap = _table(
        f"host time a frame, ms (medians, one thread): {report.machine['work']}",
        ("host", "floor", "ratio", "to bytes", "insightface", "less by"),
    )
    rest = _table(
        "paste, guard, whole frame, ms",
        ("paste", "less by", "guard", "looks", "sessions", "p50", "p95"),
    )
    names = list(dict.fromkeys(name for case in report.cases for name in case.stages_ms))
    stages = _table("host time by stage, ms", names)
    for case in report.cases:
        peer = case.insightface
        label = (f"{case.height}p", str(case.faces))
        swap.add_row(
            *label,
            f"{case.host_ms:.2f}",
            f"{case.floor_ms:.2f}",
            f"{case.host_ms / case.floor_ms:.2f}",
            f"{case.host_ms / case.floor_bytes_ms:.2f}",
            f"{peer.host_ms:.1f}" if peer else "absent",
            f"{peer.host_ms / case.host_ms:.1f}x" if peer else "",
        )
        rest.add_row(
            *label,
            f"{case.paste_ms:.2f}",
            f"{peer.paste_ms / case.paste_ms:.0f}x" if peer else "",
            f"{case.guard_host_ms:.2f}",
            str(looks[f"{case.width}x{case.height}:{case.faces}"]),
            f"{case.session_ms:.1f}",
            f"{case.end_to_end_p50_ms:.1f}",
            f"{case.end_to_end_p95_ms:.1f}",
        )
        cells = (f"{case.stages_ms[n]:.2f}" if n in case.stages_ms else "" for n in names)
        stages.add_row(*label, *cells)
    for table in (swap, rest, stages):
        console.print(table)
    console.print("Stand-in networks: the host's share is the result; session times are not.")


def _table(title: str, headings: Sequence[str]) -> Table:
    """An empty table with frame and faces in front."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("frame", "faces", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    return table
