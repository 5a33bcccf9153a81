"""Who becomes whom: keys that need each other, or a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config import loads, missing_files
from edged.errors import ConfigError

PATH = Path("/etc/booth/edged.toml")
POSTER = '[scenes.p]\nmode = "portrait"\ntemplate = "builtin:poster"\n'


def load(scene="", identity="", more=""):
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
{identity}
{more}
""",
        PATH,
    )


@pytest.mark.parametrize("key", ['select = "matched"', 'on_stranger = "fill"'])
def test_who_fills_strangers_has_to_know_somebody(key):
    """Else everybody would be filled, for ever."""
    with pytest.raises(ConfigError, match="says who wears it"):
        load(key)
    assert load(key, 'worn_by = ["faces/ann.jpg"]')


def test_photos_of_a_wearer_lie_beside_the_file_and_are_looked_for():
    """Like those of the character."""
    made = load("", 'worn_by = ["faces/ann.jpg"]')
    assert made.identities["bob"].worn_by == ("/etc/booth/faces/ann.jpg",)
    assert [line.split(" = ")[0] for line in missing_files(made, uplink=False)] == [
        "identities.bob.photos[0]", "identities.bob.worn_by[0]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scene", "identity", "more", "line"),
    [
        ("min_similarity = 1.5", "", "", "scenes.hide.min_similarity = 1.5: must be 0 to 1"),
        ("remember_s = -1", "", "", "scenes.hide.remember_s"),
        ('select = "smallest"', "", "", 'must be one of "all", "largest", "centre", "matched"'),
        ("", 'worn_by = ["builtin:../x"]', "", r"identities.bob.worn_by\[0\]"),
        ("", "", f'{POSTER}select = "largest"', "scenes.p.select"),
        ("", "", f"{POSTER}share_identities = true", "scenes.p.share_identities"),
    ],
)
def test_what_cannot_be_meant_is_an_error(scene, identity, more, line):
    """Each names its key."""
    with pytest.raises(ConfigError, match=line):
        load(scene, identity, more)
