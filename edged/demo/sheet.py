"""The demo's contact sheet: before and after, labelled in the picture.

The left column shows raw frames, so a sheet is made only of photos that a person named
(on the command line, or by running the demo on its packaged ones), and stays a file on
this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image as Pil
from PIL import ImageDraw

from edged.demo.shots import TITLES, Done
from edged.paper import INK, PAPER, SOFT, fitted, font

CELL_PX = 560
_GAP_PX, _CAPTION_PX, _HEAD_PX = 16, 34, 84


def write_sheet(done: Sequence[Done], footer: str, path: Path, cell_px: int = CELL_PX) -> None:
    """Write one row a shot: what the camera saw, what was published.

    Args:
        done: shots with a picture; others show their verdict instead.
        footer: one line on what made it.
        path: PNG or JPEG, by its suffix.
        cell_px: width of each of the two columns.
    """
    rows = [_row(each, cell_px) for each in done]
    width = 3 * _GAP_PX + 2 * cell_px
    height = _HEAD_PX + sum(row.height for row in rows) + _GAP_PX * len(rows) + _CAPTION_PX
    sheet = Pil.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP_PX, 14), "edged demo", INK, font(28))
    small = font(17)
    draw.text((_GAP_PX, 52), "the camera's frame: stays on the device", SOFT, small)
    draw.text((2 * _GAP_PX + cell_px, 52), "what the broker received", SOFT, small)
    y = _HEAD_PX
    for row in rows:
        sheet.paste(row, (_GAP_PX, y))
        y += row.height + _GAP_PX
    draw.text((_GAP_PX, y), footer, SOFT, font(14))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=82)  # PNG has no use for it


def caption(done: Done) -> str:
    """One line on a shot, for sheet and table."""
    photo = done.shot.photo.name
    if done.result is None:
        return f"{photo} | {TITLES[done.shot.scene]} | {done.verdict.verdict.value}"
    guard = done.result.guard
    plural = "" if guard.faces_in == 1 else "s"
    counts = f"{guard.faces_in} face{plural}, {guard.swapped} swapped"
    if guard.filled:
        counts += f", {guard.filled} filled"
    if done.result.bystanders:
        counts += f", {done.result.bystanders} bystanders not used"
    return f"{photo} | {TITLES[done.shot.scene]} | {counts} | {done.wall_ms:.0f} ms"


def _row(done: Done, cell_px: int) -> Pil.Image:
    before = fitted(done.shot.photo.image, cell_px, cell_px)
    after = None if done.picture is None else fitted(done.picture, cell_px, cell_px)
    height = max(before.height, after.height if after else 0)
    row = Pil.new("RGB", (2 * cell_px + _GAP_PX, height + _CAPTION_PX), PAPER)
    draw = ImageDraw.Draw(row)
    draw.text((0, 8), caption(done), INK, font(16))
    row.paste(before, ((cell_px - before.width) // 2, _CAPTION_PX))
    left = cell_px + _GAP_PX
    if after:
        row.paste(after, (left + (cell_px - after.width) // 2, _CAPTION_PX))
    else:
        words = f"kept in: {done.verdict.reason.value}"
        draw.text((left, _CAPTION_PX + 8), words, INK, font(16))
    return row
