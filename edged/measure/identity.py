"""From which cosine on two faces count as one person: a recogniser's bound, measured.

Genuine pairs are two pictures of one person, impostor pairs of two.  They are compared as the
guard compares: the crop and its mirror image against the other one's crop.  Vectors are in
memory only; what is given back are cosines without names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edged.faces import Floats, Image
from edged.geometry import Matrix
from edged.measure.people import Gathered, Shown, Told
from edged.measure.rates import Parted, part
from edged.measure.variations import Variations, variation
from edged.stages.align import crops, matrices
from edged.stages.embed import SIZE_PX

Recognise = Callable[[Image], Floats]

FEWEST_PEOPLE = 7
"""21 pairs of strangers: without an error among them, at most 13 % are wrong (95 %)."""

ENOUGH_PEOPLE = 20
"""190 pairs: likewise at most 1.6 %."""

ERRORS_MAX = 0.02
"""Of either kind, above which strangers and one person's pictures are not apart."""

_BATCH = 32


@dataclass(frozen=True, repr=False, eq=False)
class Identity:
    """What was measured.

    Attributes:
        people: how many.
        impostor, genuine: cosines of pairs of strangers and of one person.
        generated: genuine pairs are, but for a few, a photo and its generated variation.
        parted: the bound, or None where there were too few people or no genuine pair.
        alike: photos of the nearest pair of strangers, for whoever named the folder.
    """

    people: int
    impostor: Floats
    genuine: Floats
    generated: bool
    parted: Parted | None
    alike: tuple[str, str]

    @property
    def problem(self) -> str:
        """Why no bound may be written; empty when one may."""
        if self.people < FEWEST_PEOPLE:
            return (
                f"faces of {self.people} people were found; {FEWEST_PEOPLE} are needed, and "
                f"{ENOUGH_PEOPLE} are better"
            )
        parted = self.parted
        if parted is None:
            return "no two pictures of one person"
        if parted.needless.share > ERRORS_MAX or parted.missed.share > ERRORS_MAX:
            one, other = self.alike
            return (
                "strangers and one person's pictures are not apart: at the best bound strangers "
                f"count as one person in {parted.needless.words()}, one person as two in "
                f"{parted.missed.words()}; the nearest strangers are {one} and {other}: if they "
                "are one person, sort the photos, else take another recogniser"
            )
        return ""


def measure_identity(
    gathered: Gathered, recognise: Recognise, variations: Variations, tell: Told
) -> Identity:
    """Compare everybody with everybody.

    Args:
        gathered: the photos.
        recognise: (n, 112, 112, 3) uint8 -> (n, d) unit vectors.
        variations: used where fewer than `FEWEST_PEOPLE` people have two photos.
        tell: told the progress.
    """
    shown = gathered.shown
    generated = gathered.repeated < FEWEST_PEOPLE
    straight, mirrored = _vectors(shown, recognise, tell)
    person = np.array([one.person for one in shown], np.int64)
    impostor, genuine, alike = _pairs(straight, mirrored, person)
    if generated:
        varied = _varied(shown, straight, recognise, variations, tell)
        genuine = np.concatenate([genuine, varied])
    parted = part(impostor, genuine) if len(impostor) and len(genuine) else None
    names = (shown[alike[0]].photo, shown[alike[1]].photo) if alike else ("", "")
    return Identity(gathered.people, impostor, genuine, generated, parted, names)


def _vectors(shown: Sequence[Shown], recognise: Recognise, tell: Told) -> tuple[Floats, Floats]:
    """(n, d) unit vectors of the aligned crops, and of their mirror images."""
    found = []
    for start in range(0, len(shown), _BATCH):
        tell("compare strangers", start / len(shown))
        cut = np.concatenate([aligned(one) for one in shown[start : start + _BATCH]])
        both = recognise(np.ascontiguousarray(np.concatenate([cut, cut[:, :, ::-1]])))
        found.append(both.reshape(2, len(cut), -1))
    joined = np.concatenate(found, axis=1) if found else np.zeros((2, 0, 1), np.float32)
    return joined[0], joined[1]


def aligned(one: Shown) -> Image:
    """(1, 112, 112, 3) uint8: the recogniser's crop of a face."""
    return crops(one.image, [to_template(one, "arcface_112", SIZE_PX)], SIZE_PX)


def to_template(one: Shown, name: str, size_px: int) -> Matrix:
    """Picture -> crop matrix of a face whose landmarks do not coincide, as those kept do."""
    matrix = matrices([one.landmarks], name, size_px)[0]
    assert matrix is not None, "people.gather keeps no such face"
    return matrix


def _pairs(
    straight: Floats, mirrored: Floats, person: np.ndarray
) -> tuple[Floats, Floats, tuple[int, int] | None]:
    """Cosines of strangers and of one person, each pair once, and the nearest strangers."""
    impostor, genuine = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    nearest, alike = -2.0, None
    for i in range(len(person) - 1):  # a row at a time: memory stays flat
        row = np.maximum(straight[i] @ straight[i + 1 :].T, mirrored[i] @ straight[i + 1 :].T)
        same = person[i + 1 :] == person[i]
        impostor.append(row[~same])
        genuine.append(row[same])
        others = np.where(same, -2.0, row)
        if others.max() > nearest:
            nearest, alike = float(others.max()), (i, i + 1 + int(others.argmax()))
    return np.concatenate(impostor), np.concatenate(genuine), alike


def _varied(
    shown: Sequence[Shown],
    straight: Floats,
    recognise: Recognise,
    variations: Variations,
    tell: Told,
) -> Floats:
    """Cosines of photos with their generated variations."""
    random = np.random.default_rng(variations.seed)
    cosines = [np.zeros(0, np.float32)]
    for number, one in enumerate(shown):
        tell("generate variations", number / len(shown))
        if not one.whole:
            continue
        made = [variation(one.image, one.landmarks, random) for _ in range(variations.count)]
        cut = np.concatenate([aligned(Shown(0, "", image, points)) for image, points in made])
        both = recognise(np.ascontiguousarray(np.concatenate([cut, cut[:, :, ::-1]])))
        cosines.append((both @ straight[number]).reshape(2, -1).max(axis=0))
    return np.concatenate(cosines)
