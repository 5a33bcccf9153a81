"""What figures of a camera mean, in plain words: what is the matter, and what to do.

Knows thresholds and words; measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from edged.measure.camera_report import Advice, CameraReport
from edged.measure.focus import SHARP, SOFT
from edged.measure.light import tint_name
from edged.measure.sightings import ENOUGH_FRAMES

CLIPPED_MAX = 0.02
"""Share of a face that may be full: a shine on nose or forehead."""

BRIGHT_MIN, DIM_MIN = 100.0, 60.0
"""Grey level that a lit face's highlights (95th percentile) reach; dark skin does, too."""

FLAT_MIN = 35.0
SIDES_MAX = 1.3
"""Stops between the halves of a face; one side lamp alone gives 1.5 and more."""

BACKLIGHT_SHARE = 0.05
FLICKER_MAX = 0.02
CAST_MIN, DRIFT_MAX = 0.6, 0.06
"""Stops.  Two photos in good light, warm wood and a red flag in them, measured 0.39 and 0.49
by their edges, 0.75 and 1.0 by their mean."""

MOTION_MIN = 0.12
LARGE_SHARE, SMALL_PX = 0.6, 64
LEAN_MAX_DEG = 12.0
LOST_MAX = 0.02


def advise(report: CameraReport) -> tuple[Advice, ...]:
    """Everything worth saying, what pictures suffer from first."""
    found = [
        *_exposure(report),
        *_white(report),
        *_focus(report),
        *_faces(report),
        *_scores(report),
    ]
    return tuple(sorted(found, key=lambda one: one.level))


def _exposure(report: CameraReport) -> Iterator[Advice]:
    light = report.exposure
    if report.faces is None:
        if light.frame_clipped > 0.3 or light.frame_mean < 20:
            much = "much" if light.frame_mean > 127 else "little"
            yield _act("exposure", f"the frames hold too {much} light to show a face",
                       "set exposure and lamps first, then measure again")  # fmt: skip
        return
    if light.face_clipped > CLIPPED_MAX:
        yield _act(
            "exposure",
            f"{light.face_clipped:.0%} of the faces' pixels are burnt out",
            "shorten the exposure or lower the gain until highlights on skin stay below 250, or "
            "soften the lamp",
        )
    elif light.face_bright < BRIGHT_MIN:
        words = "much too dark" if light.face_bright < DIM_MIN else "dark"
        against = light.frame_clipped > BACKLIGHT_SHARE
        yield _act(
            "exposure",
            f"faces are {words}: their highlights reach {light.face_bright:.0f} of 255"
            + (" while the background burns out" if against else ""),
            "light the faces from the front, or cover what shines behind them"
            if against
            else "add light at the front, or lengthen the exposure (no longer than 1/60 s)",
        )
    elif light.face_bright - light.face_dark < FLAT_MIN:
        yield _look(
            "exposure",
            "faces are flat: hardly any difference between their light and dark parts",
            "clean the lens, keep lamps out of its view",
        )
    if light.sides > SIDES_MAX:
        yield _look(
            "exposure",
            f"one side of the faces is {light.sides:.1f} stops brighter",
            "put a second, weaker lamp on the other side; the swap keeps the light of its target",
        )
    if light.flicker > FLICKER_MAX:
        yield _act(
            "exposure",
            f"brightness jumps by {light.flicker:.1%} from frame to frame",
            "set the camera's power line frequency (50 or 60 Hz) and switch automatic exposure off "
            "(v4l2-ctl -c power_line_frequency=1 -c auto_exposure=1)",
        )


def _white(report: CameraReport) -> Iterator[Advice]:
    balance = report.white_balance
    world, edges = math.hypot(*balance.world), math.hypot(*balance.edges)
    if min(world, edges) >= CAST_MIN:
        along = sum(a * b for a, b in zip(balance.world, balance.edges, strict=True))
        if along > 0.7 * world * edges:  # both ways of asking see one colour
            yield _act(
                "white-balance",
                f"the picture has a {tint_name(balance.edges)} cast (red {balance.edges[0]:+.1f}, "
                f"blue {balance.edges[1]:+.1f} stops from green)",
                "hold a grey card where visitors stand and set the white balance on it, fixed, not "
                "automatic; a scene full of one colour may look so, too",
            )
    if balance.drift > DRIFT_MAX:
        yield _look(
            "white-balance",
            f"colours drift by {balance.drift:.2f} stops while it runs",
            "switch automatic white balance off (v4l2-ctl -c white_balance_automatic=0)",
        )


def _focus(report: CameraReport) -> Iterator[Advice]:
    sharp = report.sharpness
    if sharp is None or sharp.median >= SHARP:
        return
    say = _act if sharp.median < SOFT else _look
    how = "out of focus" if sharp.median < SOFT else "soft"
    if abs(sharp.across - sharp.down) > MOTION_MIN:
        way = "sideways" if sharp.across < sharp.down else "up and down"
        yield say(
            "focus",
            f"faces are blurred by motion {way} ({sharp.median:.2f})",
            "shorten the exposure to 1/120 s or less with more light, and fix the camera firmly",
        )
    elif sharp.background - sharp.median > 0.15 and sharp.background >= SHARP:
        yield say(
            "focus",
            f"faces are {how} ({sharp.median:.2f}), the background is sharp "
            f"({sharp.background:.2f})",
            "focus on a face at the visitors' place and lock it; close the aperture if it has one",
        )
    else:
        yield say(
            "focus",
            f"faces are {how} ({sharp.median:.2f}; {SHARP} and more is sharp)",
            "clean the lens, then focus on a face at the visitors' place and lock it",
        )


def _faces(report: CameraReport) -> Iterator[Advice]:
    faces = report.faces
    if faces is None:
        yield _act(
            "faces",
            "no face was seen",
            "let somebody stand where visitors do, look into the camera, and measure again",
        )
        return
    if faces.largest_share > LARGE_SHARE:
        yield _look(
            "faces",
            f"the largest face fills {faces.largest_share:.0%} of the frame's shorter side",
            "keep 256 and 128 in guard.sizes_px and guard.stream_sizes_px, which see such faces, "
            "or let people stand further back",
        )
    if faces.smallest_px < SMALL_PX:
        yield _look(
            "faces",
            f"the smallest face is {faces.smallest_px:.0f} px wide",
            "let people come nearer, or take a longer lens or a larger picture; below min_face_px "
            "a face is filled, not swapped",
        )
    if abs(faces.roll_deg) > LEAN_MAX_DEG:
        yield _look(
            "faces",
            f"faces lean by {faces.roll_deg:.0f} degrees",
            "turn the camera upright: detectors are surest of upright faces",
        )
    if faces.still:
        yield _look(
            "faces",
            f"{faces.still} faces never move",
            "if a poster or a screen is in view, cover it: it is swapped like a visitor, and its "
            "sizes and scores are in these figures",
        )


def _scores(report: CameraReport) -> Iterator[Advice]:
    scores = report.scores
    if scores is None:
        yield _look(
            "threshold",
            "single pictures tell no true face from a false one",
            "measure a camera or a video for det_thresh",
        )
        return
    if report.det_thresh is None:
        if report.frames < ENOUGH_FRAMES or report.faces is not None:
            yield _look(
                "threshold",
                f"{report.frames} frames, in which {scores.stayed} faces stayed, say nothing of "
                "det_thresh",
                f"measure {ENOUGH_FRAMES} frames or more in which somebody stays and moves",
            )
        return
    if scores.let_in:
        yield _look(
            "threshold",
            f"{scores.let_in} false faces score as high as true ones ({scores.false_high:.2f} "
            f"against {scores.true_low:.2f})",
            "look what flashes up there (patterns, prints, reflections) and cover it; until then "
            "it is filled in grey now and then",
        )
    if scores.lost > LOST_MAX:
        yield _look(
            "threshold",
            f"true faces score below the suggested threshold in {scores.lost:.1%} of the frames",
            "more light and larger faces raise scores; hold_ms keeps them filled meanwhile",
        )


def _act(about: str, what: str, cure: str) -> Advice:
    return Advice(about=about, level="act", what=what, cure=cure)


def _look(about: str, what: str, cure: str) -> Advice:
    return Advice(about=about, level="look", what=what, cure=cure)
