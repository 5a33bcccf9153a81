"""Draws a contact sheet: whole pictures of the scenes first, then close-ups of every variant.

Knows paper and pictures; makes none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pil
from PIL import ImageDraw

from edged.faces import Image
from edged.geometry import grow
from edged.paper import ALARM, INK, PAPER, SOFT, fitted, font, shortened
from edged.sheets.proofs import Box, Proof
from edged.sheets.variants import AS_IT_IS

WARNING = "Shows raw faces: keep it or delete it, never publish it."

COLUMNS, CLOSE_PX, GAP_PX = 5, 320, 14
WIDTH_PX = COLUMNS * CLOSE_PX + (COLUMNS + 1) * GAP_PX
_WHOLE_COLUMNS = 3
_HEAD_PX, _SECTION_PX, _CAPTION_PX, _FOOT_PX = 96, 44, 40, 34
_AROUND = 1.6
"""Side of a close-up, in sides of the face: hair line, ears and chin are in it."""

_JPEG_QUALITY = 92


@dataclass(frozen=True, repr=False, eq=False)
class _Cell:
    """A picture and its caption; `alarm` is said in red."""

    picture: Pil.Image | None
    caption: str
    alarm: str = ""


def draw(photo: Image, name: str, proofs: Sequence[Proof], faces: int, footer: str) -> Pil.Image:
    """The sheet of one photo.

    Args:
        photo: (h, w, 3) uint8 BGR.
        name: of its file.
        proofs: of every variant, each scene's own first.
        faces: close-ups at most, the largest first.
        footer: which models made it.
    """
    own = [proof for proof in proofs if proof.variant.label == AS_IT_IS]
    rows: list[Pil.Image] = [_section("whole pictures")]
    rows += _grid(_whole(photo, own), _WHOLE_COLUMNS)
    for first in own:
        scene = first.variant.scene_name
        of_scene = [proof for proof in proofs if proof.variant.scene_name == scene]
        for number, box in enumerate(_largest(first.boxes, faces), 1):
            rows.append(_section(f"{scene}: face {number}"))
            rows += _grid(_close(photo, of_scene, box), COLUMNS)
    height = _HEAD_PX + sum(row.height + GAP_PX for row in rows) + _FOOT_PX
    sheet = Pil.new("RGB", (WIDTH_PX, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP_PX, 12), "edged sheet", INK, font(28))
    size = f"{name}, {photo.shape[1]} x {photo.shape[0]} px"
    pen.text((GAP_PX, 54), shortened(size, 18, WIDTH_PX // 2), SOFT, font(18))
    pen.text((WIDTH_PX - GAP_PX, 20), WARNING, ALARM, font(20), anchor="ra")
    y = _HEAD_PX
    for row in rows:
        sheet.paste(row, (0, y))
        y += row.height + GAP_PX
    pen.text((GAP_PX, y), shortened(footer, 15, WIDTH_PX - 2 * GAP_PX), SOFT, font(15))
    return sheet


def save(sheet: Pil.Image, path: Path) -> None:
    """Write a sheet for its owner's eyes (mode 0600), without metadata, whole or not at all.

    Args:
        sheet: drawn.
        path: PNG or JPEG, by its suffix; its folder is made where it is absent.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    kind = "JPEG" if path.suffix.lower() in {".jpg", ".jpeg"} else "PNG"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            sheet.save(file, kind, quality=_JPEG_QUALITY, subsampling=0)  # PNG has no use for it
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _whole(photo: Image, own: Sequence[Proof]) -> list[_Cell]:
    side = _cell_px(_WHOLE_COLUMNS)
    cells = [_Cell(fitted(photo, side, side), "before")]
    for proof in own:
        picture = None if proof.image is None else fitted(proof.image, side, side)
        cells.append(_Cell(picture, f"scene {proof.variant.scene_name}", proof.note))
    return cells


def _close(photo: Image, proofs: Sequence[Proof], box: Box) -> list[_Cell]:
    """Before, and each variant, around one face.

    A portrait's faces are the template's: what was there before is in no picture here.
    """
    disguise = proofs[0].variant.scene.mode == "disguise"
    cells = [_Cell(_cut(photo, box), "before")] if disguise else []
    for proof in proofs:
        picture = None if proof.image is None else _cut(proof.image, box)
        cells.append(_Cell(picture, proof.variant.label, proof.note))
    return cells


def _cut(image: Image, box: Box) -> Pil.Image:
    """A square around a face, at a cell's size; paper where the picture ends."""
    x1, y1, x2, y2 = (float(v) for v in grow(np.array(box, np.float32), _AROUND))
    half = max(x2 - x1, y2 - y1) / 2
    left, top = round((x1 + x2) / 2 - half), round((y1 + y2) / 2 - half)
    side = max(2, round(2 * half))
    square = np.empty((side, side, 3), np.uint8)
    square[:] = PAPER[::-1]
    rows = slice(max(top, 0), min(top + side, image.shape[0]))
    columns = slice(max(left, 0), min(left + side, image.shape[1]))
    part = image[rows, columns]
    y, x = rows.start - top, columns.start - left
    square[y : y + part.shape[0], x : x + part.shape[1]] = part
    return fitted(square, CLOSE_PX, CLOSE_PX)


def _largest(boxes: Sequence[Box], count: int) -> list[Box]:
    return sorted(boxes, key=lambda b: (b[0] - b[2]) * (b[3] - b[1]))[:count]


def _cell_px(columns: int) -> int:
    return (WIDTH_PX - (columns + 1) * GAP_PX) // columns


def _section(title: str) -> Pil.Image:
    row = Pil.new("RGB", (WIDTH_PX, _SECTION_PX), PAPER)
    pen = ImageDraw.Draw(row)
    pen.line((GAP_PX, 6, WIDTH_PX - GAP_PX, 6), SOFT)
    pen.text((GAP_PX, 14), title, INK, font(20))
    return row


def _grid(cells: Sequence[_Cell], columns: int) -> list[Pil.Image]:
    """Rows of so many cells; a row is as high as its highest picture."""
    side = _cell_px(columns)
    rows = []
    for start in range(0, len(cells), columns):
        part = cells[start : start + columns]
        height = max(cell.picture.height if cell.picture else 0 for cell in part)
        row = Pil.new("RGB", (WIDTH_PX, height + _CAPTION_PX), PAPER)
        pen = ImageDraw.Draw(row)
        for place, cell in enumerate(part):
            left = GAP_PX + place * (side + GAP_PX)
            below = 0
            if cell.picture:
                row.paste(cell.picture, (left, 0))
                below = cell.picture.height
            pen.text((left, below + 4), shortened(cell.caption, 16, side), INK, font(16))
            if cell.alarm:
                pen.text((left, below + 22), shortened(cell.alarm, 14, side), ALARM, font(14))
        rows.append(row)
    return rows
