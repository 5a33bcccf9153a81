"""The answer of `edged bench --models synthetic`: one JSON document, and tables for a person.

The document's form is fixed; `tests/bench` holds it.  Knows no clocks.
"""

from __future__ import annotations

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

WEIGHTS = "random (stand-in): shapes and cost of the public networks, none of their weights"


class BatchDoc(msgspec.Struct, kw_only=True):
    """One network at one batch size.

    Attributes:
        faces: in one run; a detector's is one picture.
        p50_ms, p95_ms: of a run, host memory to host memory.
        gmac_per_s: billion multiply-adds a second, at the median.
        resident_p50_ms: of a run whose inputs and outputs stay on the device; null where
            the device is the host.
    """

    faces: int
    p50_ms: float
    p95_ms: float
    gmac_per_s: float
    resident_p50_ms: float | None


class NetworkDoc(msgspec.Struct, kw_only=True):
    """One network in one precision.

    Attributes:
        recipe: that it stands for.
        precision: "fp32" or "fp16-planned".
        gmac: billion multiply-adds for one face, or for one 640 px picture.
        batched: whether its prepared graph takes several faces.
        note: why there is no FP16 beside it; empty: there is, or none was asked for.
        batches: by rising size.
    """

    recipe: str
    precision: str
    gmac: float
    batched: bool
    note: str
    batches: list[BatchDoc] = msgspec.field(default_factory=list)


class FrameDoc(msgspec.Struct, kw_only=True):
    """The whole pipeline with swap and restore, raw frame to ruling; milliseconds, medians.

    Attributes:
        precision: "fp32", or "fp16-planned" where a plan fits at least one network.
        planned: recipes of the networks that ran by their plan; the others were FP32.
        width, height, faces: the frame.
        p50_ms, p95_ms: of a frame, the guard included, JPEG both ways not.
        session_ms: of it inside sessions.
        host_ms: the rest; host_share: of the whole.
        resident: the frame stayed on the device, uploaded and downloaded once; waiting for
            it counts as time inside sessions.
    """

    precision: str
    width: int
    height: int
    faces: int
    p50_ms: float
    p95_ms: float
    session_ms: float
    host_ms: float
    host_share: float
    resident: bool = False
    planned: list[str] = msgspec.field(default_factory=list)


class SizeDoc(msgspec.Struct, kw_only=True):
    """The whole report.

    Attributes:
        machine: processor, cores, memory, system, threads, runs.
        versions: of edged and of what it was measured with.
        runtime: name and what it is made of.
        weights: what the networks hold.
        networks: {"seed", "width"} and the settings of the runtime that were chosen.
        models: each network in each precision.
        frames: the whole pipeline.
    """

    machine: dict[str, str | int]
    versions: dict[str, str]
    runtime: dict[str, str]
    weights: str
    networks: dict[str, str]
    models: list[NetworkDoc]
    frames: list[FrameDoc]


def show(report: SizeDoc, console: Console) -> None:
    """Print a report as two tables of at most 80 columns."""
    console.print(_models(report))
    if report.frames:
        console.print(_frames(report))
    for frame in report.frames[-1:]:
        if frame.planned:
            console.print(f"whole frame, fp16: {', '.join(frame.planned)}", soft_wrap=True)
    for network in report.models:
        if network.note:
            console.print(f"{network.recipe}: {network.note}", soft_wrap=True)
    width = report.networks["width"]
    console.print(f"Stand-in networks, width {width}, on {report.runtime['name']}: {WEIGHTS}.")


def _models(report: SizeDoc) -> Table:
    """Networks; against FP32 of the same batch where there is one."""
    table = _table("network", "type", "faces", "p50", "p95", "a face", "GMAC/s", "x FP32")
    table.title = "one run, host to host, ms (medians)"
    plain = {
        (network.recipe, batch.faces): batch.p50_ms
        for network in report.models
        if network.precision == "fp32"
        for batch in network.batches
    }
    for network in report.models:
        for batch in network.batches:
            gain = ""
            if network.precision != "fp32":
                gain = f"{plain[network.recipe, batch.faces] / batch.p50_ms:.2f}"
            table.add_row(
                network.recipe.replace("_plus", "+"),
                network.precision[:4],
                str(batch.faces),
                f"{batch.p50_ms:.1f}",
                f"{batch.p95_ms:.1f}",
                f"{batch.p50_ms / batch.faces:.1f}",
                f"{batch.gmac_per_s:.0f}",
                gain,
            )
    return table


def _frames(report: SizeDoc) -> Table:
    """The whole pipeline."""
    table = _table("frame", "type", "on", "faces", "p50", "p95", "sessions", "host", "share")
    table.title = "whole frame with swap and restore, ms"
    for frame in report.frames:
        table.add_row(
            f"{frame.height}p",
            frame.precision[:4],
            "device" if frame.resident else "host",
            str(frame.faces),
            f"{frame.p50_ms:.1f}",
            f"{frame.p95_ms:.1f}",
            f"{frame.session_ms:.1f}",
            f"{frame.host_ms:.1f}",
            f"{frame.host_share:.0%}",
        )
    return table


def _table(first: str, second: str, *numbers: str) -> Table:
    """An empty table, two columns of words before those of numbers."""
    table = Table(title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    table.add_column(second, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
