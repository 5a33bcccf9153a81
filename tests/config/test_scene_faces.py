"""Which faces a scene is about: thresholds and sizes that fit together, or a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config import loads
from edged.errors import ConfigError

PATH = Path("/etc/booth/edged.toml")


def load(scene="", guard=""):
    return loads(
        f"""
[device]
name = "booth-1"
[cameras.door]
scene = "hide"
[scenes.hide]
mode = "disguise"
identities = ["bob"]
{scene}
[identities.bob]
photos = ["faces/bob.jpg"]
{guard}
""",
        PATH,
    )


@pytest.mark.parametrize("thresh", [0.0, 0.5, 0.75, 0.99])
def test_a_scene_may_be_choosier_than_the_guard(thresh):
    """0 stands for the guard's own."""
    assert load(f"det_thresh = {thresh}").scenes["hide"].det_thresh == thresh


@pytest.mark.parametrize(
    ("scene", "guard"),
    [(0.4, ""), (0.6, "[guard]\ndet_thresh = 0.7"), (1.0, ""), (-0.1, "")],
)
def test_a_scene_is_never_less_choosy_than_the_guard(scene, guard):
    """It would promise to swap faces that nobody looks for."""
    with pytest.raises(ConfigError, match=r"scenes\.hide\.det_thresh.*guard\.det_thresh"):
        load(f"det_thresh = {scene}", guard)


def test_the_largest_face_is_larger_than_the_smallest():
    """Else the scene would be about nobody."""
    assert load("min_face_px = 40\nmax_face_px = 400").scenes["hide"].max_face_px == 400
    for most in (40, 39, -1, 20_000):
        with pytest.raises(ConfigError, match=r"max_face_px.*more than min_face_px \(40\)"):
            load(f"min_face_px = 40\nmax_face_px = {most}")
