"""What `edged calibrate camera` found, as data, and the TOML fragment that follows from it."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from edged.measure.booth import BoothView
from edged.measure.sightings import Threshold

FACE_FLOOR_PX = 24
"""`min_face_px` is never suggested below a scene's default: less is guesswork."""

_NEARER = 0.6
"""Of the smallest face that stayed: people lean back, and passers-by are further away."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do.

    Attributes:
        about: "exposure", "white-balance", "focus", "faces" or "threshold".
        level: "act" (pictures suffer) or "look" (worth a look).
        what: is the matter.
        cure: what to do.
    """

    about: str
    level: Literal["act", "look"]
    what: str
    cure: str


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """Of all frames and faces; grey levels 0..255, medians unless said otherwise.

    Attributes:
        frame_mean: luma of frames.
        frame_clipped, frame_black: share of pixels.
        flicker: spread of the frames' luma over time, as a share of it.
        face_mean, face_dark, face_bright: luma of faces, its 5th and 95th percentile.
        face_clipped: share of pixels.
        sides: stops by which the brighter side of faces is brighter.
    """

    frame_mean: float
    frame_clipped: float
    frame_black: float
    flicker: float
    face_mean: float
    face_dark: float
    face_bright: float
    face_clipped: float
    sides: float


class WhiteBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Stops by which red and blue differ from green, beside the faces.

    Attributes:
        world: of the mean colour.
        edges: of mean differences.
        drift: spread of `edges` over time.
    """

    world: tuple[float, float]
    edges: tuple[float, float]
    drift: float


class Sharpness(msgspec.Struct, frozen=True, kw_only=True):
    """0..1, see :mod:`edged.measure.focus`.

    Attributes:
        median, low: of faces; `low` is the 10th percentile.
        across, down: medians by direction.
        background: beside the faces; 0 where there is nothing to see.
    """

    median: float
    low: float
    across: float
    down: float
    background: float


class Faces(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of faces.

    Attributes:
        measured: how many, over all frames.
        smallest_px, largest_px: shorter side, the 2nd and 98th percentile.
        smallest_share, largest_share: longer side over the frame's shorter one, likewise.
        roll_deg: median lean of the faces that stayed.
        still: faces that never moved.
    """

    measured: int
    smallest_px: float
    largest_px: float
    smallest_share: float
    largest_share: float
    roll_deg: float
    still: int


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Detector scores over time; see :class:`edged.measure.sightings.Threshold`."""

    stayed: int
    flashed: int
    true_low: float
    false_high: float
    lost: float
    let_in: int


class CameraReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run found.

    Attributes:
        frames: how many were looked at.
        width_px, height_px: of the last one.
        ordered: they followed one another.
        exposure, white_balance: light.
        sharpness, faces: None where no face was seen.
        scores: None for pictures that do not follow one another.
        det_thresh, min_face_px: suggested, None where nothing can be said.
        advice: what to do, the most pressing first.
        written: file of the fragment, or None.
    """

    frames: int
    width_px: int
    height_px: int
    ordered: bool
    exposure: Exposure
    white_balance: WhiteBalance
    sharpness: Sharpness | None
    faces: Faces | None
    scores: Scores | None
    det_thresh: float | None
    min_face_px: int | None
    advice: tuple[Advice, ...] = ()
    written: str | None = None


def camera_report(view: BoothView, configured_thresh: float) -> CameraReport:
    """Sum up what was measured; without advice.

    Args:
        view: of at least one frame.
        configured_thresh: `det_thresh` as it is.
    """
    faces = _faces(view)
    found = view.sightings.threshold(configured_thresh) if view.ordered else None
    return CameraReport(
        frames=len(view.frames),
        width_px=view.shape[1],
        height_px=view.shape[0],
        ordered=view.ordered,
        exposure=_exposure(view),
        white_balance=_white_balance(view),
        sharpness=_sharpness(view),
        faces=faces,
        scores=_scores(found) if found else None,
        det_thresh=found.det_thresh if found else None,
        min_face_px=max(FACE_FLOOR_PX, int(_NEARER * faces.smallest_px)) if faces else None,
    )


def fragment(report: CameraReport, scene: str) -> str:
    """The keys for `edged.toml`; an empty string where nothing can be said.

    Args:
        report: what was found.
        scene: name that `min_face_px` is for.
    """
    tables = []
    if report.det_thresh is not None:
        tables.append(f"[guard]\ndet_thresh = {report.det_thresh}")
    if report.min_face_px is not None:
        tables.append(f"[scenes.{scene}]\nmin_face_px = {report.min_face_px}")
    if not tables:
        return ""
    head = (
        f"# Measured by `edged calibrate camera` on {report.frames} frames of {report.width_px} x "
        f"{report.height_px} px.\n# Put these keys into the tables of edged.toml; this file alone "
        "is read by nobody.\n"
    )
    return head + "\n".join(f"\n{table}" for table in tables) + "\n"


def _scores(found: Threshold) -> Scores:
    return Scores(
        stayed=found.stayed,
        flashed=found.flashed,
        true_low=round(found.true_low, 3),
        false_high=round(found.false_high, 3),
        lost=round(found.lost, 4),
        let_in=found.let_in,
    )


def _exposure(view: BoothView) -> Exposure:
    means = np.array([f.mean for f in view.frames])
    faces = view.faces

    def median(values: list[float]) -> float:
        return round(float(np.median(values)), 4) if values else 0.0

    return Exposure(
        frame_mean=median(list(means)),
        frame_clipped=median([f.clipped for f in view.frames]),
        frame_black=median([f.black for f in view.frames]),
        flicker=round(_steps(means) / max(float(means.mean()), 1.0), 4) if view.ordered else 0.0,
        face_mean=median([f.mean for f in faces]),
        face_dark=median([f.dark for f in faces]),
        face_bright=median([f.bright for f in faces]),
        face_clipped=median([f.clipped for f in faces]),
        sides=median([abs(f.sides) for f in faces]),
    )


def _steps(values: np.ndarray) -> float:
    """Median difference between neighbours: what flickers, not what the day does."""
    return float(np.median(np.abs(np.diff(values)))) if len(values) > 1 else 0.0


def _white_balance(view: BoothView) -> WhiteBalance:
    world = np.median([f.world for f in view.frames], axis=0)
    edges = np.array([f.edges for f in view.frames])
    middle = np.median(edges, axis=0)
    drift = float(np.abs(edges - middle).mean(axis=0).max()) if view.ordered else 0.0
    return WhiteBalance(world=_pair(world), edges=_pair(middle), drift=round(drift, 3))


def _pair(values: np.ndarray) -> tuple[float, float]:
    return round(float(values[0]), 3), round(float(values[1]), 3)


def _sharpness(view: BoothView) -> Sharpness | None:
    if not view.focus:
        return None
    both = [f.both for f in view.focus]
    return Sharpness(
        median=round(float(np.median(both)), 3),
        low=round(float(np.quantile(both, 0.1)), 3),
        across=round(float(np.median([f.across for f in view.focus])), 3),
        down=round(float(np.median([f.down for f in view.focus])), 3),
        background=round(float(np.median(view.background)), 3) if view.background else 0.0,
    )


def _faces(view: BoothView) -> Faces | None:
    """Sizes; of the faces that stayed, where faces were followed and any did."""
    if not view.sides_px:
        return None
    stayed = view.sightings.stayed
    sides = np.concatenate([np.zeros(0), *(s.sides_px for s in stayed)])
    sides = sides if len(sides) else np.array(view.sides_px)
    low, high = np.quantile(sides, (0.02, 0.98))
    share_low, share_high = np.quantile(view.spans, (0.02, 0.98))
    rolls = [roll for s in stayed for roll in s.rolls_deg]
    return Faces(
        measured=len(view.sides_px),
        smallest_px=round(float(low), 1),
        largest_px=round(float(high), 1),
        smallest_share=round(float(share_low), 4),
        largest_share=round(float(share_high), 4),
        roll_deg=round(float(np.median(rolls)), 1) if rolls else 0.0,
        still=sum(s.still for s in stayed),
    )
