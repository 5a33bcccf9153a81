"""What the golden files hold: each stage on two drawn people, and how far it may stray.

A case is a function of nothing; its name is its file's.  Everything starts from the two
pictures `robin.png` and `kim.png` as they lie here, so that a change of how people are drawn
moves one file and no other.  No photo and no one else's picture is in any of them.
"""

from __future__ import annotations

import cv2
import numpy as np
from golden.case import FOLDER, numbers, pixels

from edged.builtin.character import SIZE, draw_character
from edged.builtin.mask import inner_face_mask
from edged.geometry import similarity, template
from edged.measure.attacks import ATTACKS, attacked
from edged.privacy.pixels import coarse_correlation, untouched_share
from edged.stages import mouth
from edged.stages.align import crops, fine_crops
from edged.stages.boost import join, split
from edged.stages.colour import recoloured
from edged.stages.kept import detail_of, with_detail
from edged.stages.label import drawn as drawn_label
from edged.stages.paste import Mask, box_mask, oval_mask, paste
from edged.stages.search import fit
from edged.stages.segment import REGIONS, regions_mask

INPUT_PX = 320
SKIN, LIP, HAIR = (REGIONS[name][0] for name in ("skin", "lips", "hair"))
"""Classes of the parsers that we know."""


# -- inputs -----------------------------------------------------------------------------


def drawn(name: str) -> np.ndarray:
    image, _ = draw_character(name)
    return cv2.resize(image, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA)


def person(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Picture and landmarks."""
    image = cv2.imread(str(FOLDER / f"{name}.png"))
    share = INPUT_PX / SIZE
    _, points = draw_character(name)
    return image, ((points + 0.5) * share - 0.5).astype(np.float32)


@pixels(most=3, mean=0.3)
def robin():
    return drawn("robin")


@pixels(most=3, mean=0.3)
def kim():
    return drawn("kim")


# -- views and crops ----------------------------------------------------------------------


@pixels()
def letterbox_enlarged():
    """The middle of the picture to 200 px, bilinear, truncated extents."""
    return fit(np.ascontiguousarray(person("robin")[0][100:205, 90:230]), 200)[0]


@pixels()
def letterbox_by_an_odd_factor():
    """600 to 200: the middle pixel of each block."""
    large = cv2.resize(person("robin")[0], (600, 600), interpolation=cv2.INTER_LINEAR)
    return fit(large, 200)[0]


def to_crop(name: str, template_name: str, size_px: int) -> np.ndarray:
    return similarity(person(name)[1], template(template_name, size_px))


@numbers(1e-4)
def matrices():
    """Picture -> crop of both people for the three templates."""
    wanted = (("arcface_112", 112), ("arcface_128", 128), ("ffhq_512", 512))
    return np.stack([to_crop(who, *crop) for who in ("robin", "kim") for crop in wanted])


@pixels()
def crop_arcface_112():
    return crops(person("robin")[0], [to_crop("robin", "arcface_112", 112)], 112)[0]


@pixels()
def crop_ffhq_512_of_a_leaning_face():
    """Enlarged, turned by 20 degrees, shown at half."""
    image, points = person("kim")
    turn = cv2.getRotationMatrix2D((160, 160), 20, 1.0)
    leaning = cv2.warpAffine(image, turn, (INPUT_PX, INPUT_PX), flags=cv2.INTER_LINEAR)
    moved = (points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    crop = crops(leaning, [similarity(moved, template("ffhq_512", 512))], 512)[0]
    return crop[::2, ::2]


@pixels()
def crop_of_a_large_face():
    """A face four times larger than the crop, averaged before it is sampled."""
    image, points = person("kim")
    large = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    moved = ((points + 0.5) * 4 - 0.5).astype(np.float32)
    return fine_crops(large, [similarity(moved, template("arcface_128", 128))], 128)[0]


# -- masks ------------------------------------------------------------------------------


@pixels()
def mask_oval():
    return oval_mask("arcface_128", 128).alpha


@pixels()
def mask_box():
    return box_mask(128).alpha


@pixels()
def mask_inner_face():
    return Mask.of(inner_face_mask(128)).alpha


@pixels()
def mask_mouth_kept():
    _, points = person("robin")
    matrix = similarity(points, template(mouth.TEMPLATE, mouth.SIDE_PX))
    return mouth.mouths([points], [matrix]).free[0]


@pixels()
def mask_regions():
    """Skin and lips of a drawn map of classes, softened inside their edges."""
    labels = np.zeros((512, 512), np.uint8)
    cv2.ellipse(labels, (256, 270), (150, 190), 0, 0, 360, SKIN, -1)
    cv2.ellipse(labels, (256, 380), (60, 25), 0, 0, 360, LIP, -1)
    cv2.ellipse(labels, (256, 90), (200, 90), 0, 0, 360, HAIR, -1)
    return regions_mask(labels[None], ("skin", "lips"))[0]


# -- colour, paste, boost, guard ----------------------------------------------------------


def coloured(rule: str) -> np.ndarray:
    made = crops(person("kim")[0], [to_crop("kim", "arcface_128", 128)], 128)
    target = crops(person("robin")[0], [to_crop("robin", "arcface_128", 128)], 128)
    return recoloured(rule, made, target, [oval_mask("arcface_128", 128).alpha])[0]


@pixels()
def colour_lab():
    return coloured("lab")


@pixels()
def colour_histogram():
    return coloured("histogram")


@pixels()
def paste_soft():
    """Kim's face pasted over Robin's through the oval."""
    image = person("robin")[0]
    crop = crops(person("kim")[0], [to_crop("kim", "arcface_128", 128)], 128)[0]
    paste(image, crop, to_crop("robin", "arcface_128", 128), oval_mask("arcface_128", 128))
    return image[60:260, 60:260]


@pixels()
def detail_carried_on():
    """What sharpening added to Kim, added to Kim again: in full at the top, not below."""
    crop = crops(person("kim")[0], [to_crop("kim", "arcface_128", 128)], 128)[0]
    soft = cv2.GaussianBlur(crop, (0, 0), 1.5)
    sharp = np.asarray(cv2.addWeighted(crop, 1.6, soft, -0.6, 0), np.uint8)
    shares = np.repeat(np.linspace(1, 0, 8, dtype=np.float32)[:, None], 8, axis=1)
    return with_detail(soft, detail_of(sharp, soft), shares)


@pixels(most=2, mean=0.2)
def label():
    return drawn_label("AI-edited", 720, 1280)


@pixels(most=0, mean=0.0)
def boost_parts():
    """A crop of 128 px as four of 64 px side by side, to the bit; and together it is itself."""
    crop = crops(person("robin")[0], [to_crop("robin", "arcface_128", 128)], 128)
    parts = split(crop, 2)
    assert np.array_equal(join(parts, 2), crop)
    return np.hstack(list(parts))


@numbers(2e-3)
def guard_pixels():
    """Coarse correlation and untouched share of every attack on Kim, and of a swap."""
    before = crops(person("kim")[0], [to_crop("kim", "arcface_112", 112)], 112)[0]
    after = [attacked(name, before, "arcface_112") for name in ATTACKS if name != "noise"]
    other = crops(person("robin")[0], [to_crop("robin", "arcface_112", 112)], 112)[0]
    return np.array(
        [(coarse_correlation(before, a), untouched_share(before, a)) for a in [*after, other]]
    )
