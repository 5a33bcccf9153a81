"""What `edged calibrate guard` found, as data for programs and as the entries to write.

Figures of pairs alone: no names of people or files, no vectors.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec
import numpy as np

from edged import __version__
from edged.calibration import RecogniserBound, SwapperBound
from edged.faces import Floats
from edged.measure.attacks import ATTACKS
from edged.measure.identity import ENOUGH_PEOPLE, Identity
from edged.measure.likeness import Likeness
from edged.measure.people import Grouping
from edged.measure.rates import Parted, Rate, histogram

BINS = 40
"""Steps of a histogram of cosines from -1 to 1."""

_GROUPED = {
    "folders": "one folder a person",
    "names": "people by the names of the files",
    "faces": "every face taken for another person",
}


class Cosines(msgspec.Struct, frozen=True, kw_only=True):
    """Cosines of pairs.

    Attributes:
        pairs: how many.
        mean, least, most: of the cosines.
        histogram: counts in `BINS` steps from -1 to 1.
        errors: of them on the wrong side of the bound.
        error_rate, error_low, error_high: share of these, and its interval of 95 %.
    """

    pairs: int
    mean: float
    least: float
    most: float
    histogram: list[int]
    errors: int
    error_rate: float
    error_low: float
    error_high: float


class RecogniserFound(msgspec.Struct, frozen=True, kw_only=True):
    """A recogniser, measured.

    Attributes:
        id: of the model.
        identity_max: the bound, None where none may be written.
        impostor, genuine: pairs of strangers (FMR: those above the bound) and of one
            person (FNMR: those at or below it).
        generated: genuine pairs were generated from single photos.
        problem: why there is no bound.
    """

    id: str
    identity_max: float | None
    impostor: Cosines | None
    genuine: Cosines | None
    generated: bool
    problem: str


class SwapperFound(msgspec.Struct, frozen=True, kw_only=True):
    """A swapper, measured.

    Attributes:
        id: of the model.
        restorer: that its swaps went through, too; empty for none.
        coarse_max, untouched_max: the bounds, None where none may be written.
        swaps: how many were made.
        filled: share of them that the two bounds would fill.
        recognised: share of them that the recogniser's bound would fill.
        coarse_most, untouched_most: largest of the accepted swaps.
        attacks: least of each attack, [coarse, untouched].
        problem: why there are no bounds.
    """

    id: str
    restorer: str
    coarse_max: float | None
    untouched_max: float | None
    swaps: int
    filled: float
    recognised: float
    coarse_most: float
    untouched_most: float
    attacks: dict[str, tuple[float, float]]
    problem: str


class GuardReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run found.

    Attributes:
        people, photos: how many were used.
        grouping: how photos were put to people.
        left_out: why others were not used, and how many.
        detectors: that found the faces.
        recogniser, swapper: what was measured.
        written: file, or None.
        seconds: that it took.
    """

    people: int
    photos: int
    grouping: Grouping
    left_out: dict[str, int]
    detectors: tuple[str, ...]
    recogniser: RecogniserFound
    swapper: SwapperFound
    written: str | None
    seconds: float


def recogniser_found(model_id: str, found: Identity) -> RecogniserFound:
    """Figures of a recogniser."""
    parted = found.parted
    return RecogniserFound(
        id=model_id,
        identity_max=round(parted.bound, 3) if parted and not found.problem else None,
        impostor=_cosines(found.impostor, parted.needless if parted else None),
        genuine=_cosines(found.genuine, parted.missed if parted else None),
        generated=found.generated,
        problem=found.problem,
    )


def swapper_found(
    model_id: str, restorer: str, found: Likeness, identity_max: float | None
) -> SwapperFound:
    """Figures of a swapper.

    Args:
        model_id: of the swapper.
        restorer: id, or empty.
        found: what was measured.
        identity_max: bound of the recogniser, None where there is none.
    """
    good = not found.problem
    rows = {name: [i for i, one in enumerate(found.named) if one == name] for name in ATTACKS}
    most = found.swaps.max(axis=0) if len(found.swaps) else np.zeros(2)
    recognised = found.cosines > identity_max if identity_max else np.zeros(0)
    return SwapperFound(
        id=model_id,
        restorer=restorer,
        coarse_max=_bound(found.coarse) if good else None,
        untouched_max=_bound(found.untouched) if good else None,
        swaps=len(found.swaps),
        filled=round(found.filled, 4) if found.coarse and found.untouched else 0.0,
        recognised=round(float(recognised.mean()), 4) if len(recognised) else 0.0,
        coarse_most=round(float(most[0]), 3),
        untouched_most=round(float(most[1]), 3),
        attacks={
            name: (_rounded(found.attacks[at, 0].min()), _rounded(found.attacks[at, 1].min()))
            for name, at in rows.items()
            if at
        },
        problem=found.problem,
    )


def recogniser_entry(report: GuardReport) -> dict[str, RecogniserBound]:
    """What to write of the recogniser; nothing where it has a problem."""
    found = report.recogniser
    strangers, one = found.impostor, found.genuine
    if found.identity_max is None or strangers is None or one is None:
        return {}
    pictures = (
        "generated variations of their photos (light, colour, blur, grain, size, JPEG, "
        "landmarks; no pose, no other day, so this flatters)"
        if found.generated
        else "pairs of photos of one person"
    )
    said = (
        f"{report.people} people ({_GROUPED[report.grouping]}), {strangers.pairs} pairs of "
        f"strangers: cosine {strangers.mean:.2f} on average, {strangers.most:.2f} at most, above "
        f"the bound {_rate(strangers).words()}; {one.pairs} {pictures}: {one.least:.2f} at least, "
        f"{one.mean:.2f} on average, at or below the bound {_rate(one).words()}.  Pairs share "
        f"people, so the true intervals are wider.  {_made(report)}"
    )
    if report.people < ENOUGH_PEOPLE:
        said = f"Few people.  {said}"
    return {found.id: RecogniserBound(identity_max=found.identity_max, measured_on=said)}


def swapper_entry(report: GuardReport) -> dict[str, SwapperBound]:
    """What to write of the swapper; nothing where it has a problem."""
    found = report.swapper
    if found.coarse_max is None or found.untouched_max is None:
        return {}
    with_restorer = f", with and without {found.restorer}" if found.restorer else ""
    nearest = min(
        (pair[0], name) for name, pair in found.attacks.items() if pair[1] <= found.untouched_max
    )
    said = (
        f"{found.swaps} swaps of {report.people} people with one another{with_restorer}: coarse "
        f"correlation {found.coarse_most:.2f} at most, untouched parts {found.untouched_most:.2f} "
        f"at most, {found.filled:.1%} would be filled.  {len(found.attacks)} attacks on each, none "
        f"passed; nearest: {nearest[1]} {nearest[0]:.2f}.  {_made(report)}"
    )
    bound = SwapperBound(
        coarse_max=found.coarse_max, untouched_max=found.untouched_max, measured_on=said
    )
    return {found.id: bound}


def _made(report: GuardReport) -> str:
    day = datetime.now(timezone.utc).date().isoformat()
    return f"Faces found by {', '.join(report.detectors)}; edged {__version__}, {day}."


def _rate(cosines: Cosines) -> Rate:
    return Rate(cosines.errors, cosines.pairs)


def _cosines(values: Floats, rate: Rate | None) -> Cosines | None:
    if not len(values):
        return None
    rate = rate or Rate(0, 0)
    low, high = rate.interval
    return Cosines(
        pairs=len(values),
        mean=_rounded(values.mean()),
        least=_rounded(values.min()),
        most=_rounded(values.max()),
        histogram=histogram(values, -1, 1, BINS),
        errors=rate.errors,
        error_rate=round(rate.share, 5),
        error_low=round(low, 5),
        error_high=round(high, 5),
    )


def _bound(parted: Parted | None) -> float | None:
    return round(parted.bound, 3) if parted else None


def _rounded(value: Any) -> float:
    return round(float(value), 3)
