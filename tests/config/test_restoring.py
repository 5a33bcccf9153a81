"""What the configuration says of restoring, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config import loads
from edged.errors import ConfigError

PATH = Path("/somewhere/edged.toml")
BASE = """
[device]
name = "booth-1"
[cameras.booth]
scene = "hide"
[identities.actor]
photos = ["builtin:character"]
"""
HIDE = '[scenes.hide]\nmode = "disguise"\nidentities = ["actor"]\n'
POSTER = '[scenes.hide]\nmode = "portrait"\ntemplate = "builtin:poster"\n'


def test_what_is_asked_for_is_taken():
    """Every key, at the ends of its range."""
    asks = "restore_min_face_px = 0\nrestore_every_n = 60\nmax_identity_drift = 0\n"
    scene = loads(BASE + HIDE + asks, PATH).scenes["hide"]
    assert (scene.restore_min_face_px, scene.restore_every_n, scene.max_identity_drift) == (
        0,
        60,
        0,
    )


@pytest.mark.parametrize(
    ("mode", "asks", "words"),
    [
        (HIDE, "restore_min_face_px = -1", "must be 0 to 4096"),
        (HIDE, "restore_every_n = 0", "must be 1 to 60"),
        (HIDE, "max_identity_drift = 2.5", "must be 0 to 2"),
        (POSTER, "restore_every_n = 4", 'for mode = "disguise" only'),
    ],
)
def test_what_has_no_meaning_is_one_line(mode, asks, words):
    """It names the key and the range, or why there is none."""
    with pytest.raises(ConfigError) as error:
        loads(f"{BASE}{mode}{asks}\n", PATH)
    (problem,) = error.value.problems
    assert problem.removeprefix(f"{PATH}: ").startswith(f"scenes.hide.{asks.split()[0]}")
    assert words in problem
