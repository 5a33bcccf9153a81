"""The report of `edged calibrate camera` for a person: figures, advice, the keys to set."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.table import Table

from edged.measure.camera_report import CameraReport
from edged.measure.focus import SHARP

_MARKS = {"act": "!!", "look": " ?"}


def show(report: CameraReport, keys: str, console: Console) -> None:
    """Print everything that was found.

    Args:
        report: with its advice.
        keys: TOML fragment, maybe empty.
        console: to print on.
    """
    kind = "in a row" if report.ordered else "single pictures"
    console.print(f"{report.frames} frames ({kind}), {report.width_px} x {report.height_px} px")
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, words in _rows(report).items():
        table.add_row(name, words)
    console.print(table)
    width = max(40, min(console.width, 100)) - 5
    for one in report.advice:
        console.print()
        text = f"{one.about}: {one.what}.\n-> {one.cure}."
        lines = [part for line in text.split("\n") for part in textwrap.wrap(line, width)]
        console.print(f"{_MARKS[one.level]} {lines[0]}", markup=False)
        for line in lines[1:]:
            console.print(f"   {line}", markup=False)
    if not report.advice:
        console.print("\nNothing to mend.")
    if keys:
        console.print()
        console.print(keys, markup=False, end="", soft_wrap=True)
    if report.written:
        console.print(f"\nThese keys are in {report.written} too.", markup=False, soft_wrap=True)


def _rows(report: CameraReport) -> dict[str, str]:
    """Figures with what they mean, a line each."""
    light, faces, sharp, scores = (
        report.exposure, report.faces, report.sharpness, report.scores,
    )  # fmt: skip
    rows = {}
    rows["exposure"] = (
        f"frames {light.frame_mean:.0f} of 255 on average, {light.frame_clipped:.1%} burnt out, "
        f"{light.frame_black:.1%} black"
    )
    if faces:
        rows["  of faces"] = (
            f"{light.face_dark:.0f} to {light.face_bright:.0f}, {light.face_clipped:.1%} burnt "
            f"out, sides {light.sides:.1f} stops apart"
        )
    red, blue = report.white_balance.edges
    rows["white balance"] = f"red {red:+.2f}, blue {blue:+.2f} stops from green"
    if sharp:
        rows["focus"] = (
            f"faces {sharp.median:.2f}, the worst tenth {sharp.low:.2f} ({SHARP} is sharp), "
            f"background {sharp.background:.2f}"
        )
    if faces:
        rows["face sizes"] = (
            f"{faces.smallest_px:.0f} to {faces.largest_px:.0f} px, {faces.smallest_share:.0%} to "
            f"{faces.largest_share:.0%} of the frame ({faces.measured} seen)"
        )
    if scores:
        rows["scores"] = (
            f"{scores.stayed} faces stayed, from {scores.true_low:.2f}; {scores.flashed} flashed "
            f"up, to {scores.false_high:.2f}"
        )
    return rows
