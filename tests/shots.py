"""Cheap shots for tests that send many, and what looks for their traces.

One face in a small picture, numbered in its pixels, and the configuration that makes an
engine quick with it: one size, no turns, no restorer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
from photos import astronaut


def real_models() -> Path | None:
    """Folder of small real networks; None stands for the built-in pack."""
    named = os.environ.get("EDGED_TEST_MODELS", "")
    return Path(named) if named else None


QUICK = f"""
[guard]
sizes_px = {[256] if real_models() else [640, 256]}
rotations_deg = [0]
[cameras.quick]
scene = "quick"
[scenes.quick]
mode = "disguise"
identities = ["actor"]
share_identities = true
restore = false
[frames.limits]
rate_per_s = 100000.0
burst = 100000
shots_per_s = 100000.0
shots_burst = 100000
"""
"""More TOML for a booth: camera `quick`, and no rate limit.

Haar, the built-in detector, needs a larger picture."""


def face(number: int = 0) -> np.ndarray:
    """One person, (320, 320, 3) uint8 BGR; no two numbers give the same pixels."""
    image = np.ascontiguousarray(astronaut()[0:320, 60:380])
    for bit in range(16):
        image[308:, bit * 20 : bit * 20 + 20] = 255 * (number >> bit & 1)
    return image


def say(text: str) -> None:
    """A figure for the reader of a test's output (`pytest -s`, `-rP`)."""
    sys.stdout.write(f"{text}\n")


def number_of(image: np.ndarray) -> int:
    """Which :func:`face` a picture was, if it was not turned or scaled."""
    return sum(int(image[310:318, bit * 20 + 10].mean() > 127) << bit for bit in range(16))


def png(image: np.ndarray) -> bytes:
    """The picture's file."""
    done, data = cv2.imencode(".png", image)
    assert done
    return bytes(data.tobytes())


def windows(data: bytes, count: int = 200) -> list[bytes]:
    """Pieces of 16 bytes from all over some data, none of them of one value only."""
    places = np.linspace(0, len(data) - 16, count).astype(int)
    pieces = [data[place : place + 16] for place in places]
    return [piece for piece in pieces if len(set(piece)) > 6]
