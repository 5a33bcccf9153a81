"""Prints the figures of restoring in RESULTS.md: `python tests/bench/restoring.py`.

Flicker of faces that are restored now and then, faces that gain from it by their size, and
identity drift by a real recogniser (EDGED_TEST_MODELS).  Asserts nothing; the tests do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
from faces_kit import (
    ASTRONAUT_BOX,
    ASTRONAUT_POINTS,
    T1_BOX,
    T1_POINTS,
    T1_SECOND_BOX,
    T1_SECOND_POINTS,
    matrix,
    points,
)
from graph_kit import of_file
from photos import astronaut, t1
from restore_kit import MOTIONS, Ideal, energy_steps, error, sequence

from edged.geometry import scale_of, similarity, template
from edged.stages.align import crops
from edged.stages.drift import Drift
from edged.stages.embed import Embedder
from edged.stages.kept import Memory
from edged.stages.paste import oval_mask, paste
from edged.stages.retouch import Retoucher, Wish

FRAMES, SEEDS, EVERY_N = 60, 5, 4


def line(text):
    """One line of a table."""
    sys.stdout.write(text + "\n")


def flicker():
    """Every motion, restored never, always, now and then, and with details kept."""
    line(f"| face | restored | flicker, % | RMS from the truth | restorations of {FRAMES} |")
    line("|---|---|---|---|---|")
    for name, motion in MOTIONS.items():
        rows = {}
        for seed in range(SEEDS):
            for how, (flickers, apart, count) in _one(motion, seed).items():
                rows.setdefault(how, []).append((100 * flickers, apart, count))
        for how, values in rows.items():
            a, b, c = np.mean(values, axis=0)
            line(f"| {name} | {how} | {a:.1f} | {b:.1f} | {c:.0f} |")


def _one(motion, seed):
    frames = list(sequence(motion, FRAMES, seed))
    truths = [true for _, true in frames]
    shown = {"never": ([swapped for swapped, _ in frames], 0)}
    for how, every_n in (("every frame", 1), (f"every {EVERY_N}th, detail kept", EVERY_N)):
        memory, pictures, count = Memory(), [], 0
        for number, (swapped, true) in enumerate(frames):
            memory.next_frame()
            ideal = Ideal([true], seed=1000 * seed + number)
            out, _ = Retoucher(ideal, None)(swapped[None], Wish(0.8, every_n), memory, ["a"])
            pictures.append(out[0])
            count += ideal.restored
        shown[how] = pictures, count
    always = shown["every frame"][0]
    now_and_then = [frames[n][0] if n % EVERY_N else picture for n, picture in enumerate(always)]
    shown[f"every {EVERY_N}th, nothing between"] = now_and_then, FRAMES // EVERY_N
    return {how: (energy_steps(p), error(p, truths), count) for how, (p, count) in shown.items()}


def sizes():
    """What a 128 px swap and a 512 px restoration can hold of a face, by its size."""
    line("\n| shorter side of the box, px | crop px a picture px | detail kept: swap | restored |")
    line("|---|---|---|---|")
    faces = (
        (astronaut(), ASTRONAUT_BOX, ASTRONAUT_POINTS),
        (t1(), T1_BOX, T1_POINTS),
        (t1(), T1_SECOND_BOX, T1_SECOND_POINTS),
    )
    for side in (32, 48, 64, 80, 96, 112):
        rows = []
        for photo, box, named in faces:
            ratio = side / min(box[2] - box[0], box[3] - box[1])
            if ratio > 1.1:
                continue
            how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
            picture = cv2.resize(photo, None, fx=ratio, fy=ratio, interpolation=how)
            where = ((points(named) + 0.5) * ratio - 0.5).astype(np.float32)
            (swap, scale), (restored, _) = (
                _through(picture, where, *layout)
                for layout in (("arcface_128", 128), ("ffhq_512", 512))
            )
            rows.append((scale, swap, restored))
        scale, swap, restored = np.mean(rows, axis=0)
        line(f"| {side} | {scale:.2f} | {swap:.2f} | {restored:.2f} |")


def _through(picture, where, name, side):
    """Detail of a face that went through a crop and nothing else, and the crop's scale."""
    to_crop, mask = similarity(where, template(name, side)), oval_mask(name, side)
    out, inside = picture.copy(), np.zeros_like(picture)
    paste(out, crops(picture, [to_crop], side)[0], to_crop, mask)
    paste(inside, np.full((side, side, 3), 255, np.uint8), to_crop, mask)
    before, after = (
        cv2.Laplacian(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.CV_32F)[inside[..., 0] > 128].std()
        for p in (picture, out)
    )
    return after / before, scale_of(to_crop)


def drift(models):
    """How far honest and dishonest restorations move a face, by MobileFaceNet."""
    photos = (
        (astronaut(), ASTRONAUT_POINTS), (t1(), T1_POINTS), (t1(), T1_SECOND_POINTS)
    )  # fmt: skip
    true = np.concatenate([crops(p, [matrix(at, "ffhq_512", 512)], 512) for p, at in photos])
    line("\n| what became of the crop | drift of three faces |")
    line("|---|---|")
    with of_file(models / "mobilefacenet_128d.onnx", "w600k_r50") as session:
        measure = Drift(Embedder(session), "ffhq_512")
        for px in (24, 32, 48, 64, 96):
            small = [cv2.resize(face, (px, px), interpolation=cv2.INTER_AREA) for face in true]
            low = np.stack(
                [cv2.resize(s, (512, 512), interpolation=cv2.INTER_CUBIC) for s in small]
            )
            _row(f"{px} px wide, all its detail given back", measure(low, true)[0])
        for share in (0.2, 0.3, 0.4, 0.5, 1.0):
            mixed = [
                cv2.addWeighted(a, 1 - share, b, share, 0)
                for a, b in zip(true, true[[1, 2, 0]], strict=True)
            ]
            _row(f"{share:.0%} of another person mixed in", measure(true, np.stack(mixed))[0])


def _row(what, drifts):
    line(f"| {what} | {', '.join(f'{value:.2f}' for value in sorted(drifts))} |")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    flicker()
    sizes()
    if folder := os.environ.get("EDGED_TEST_MODELS"):
        drift(Path(folder))
