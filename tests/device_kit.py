"""The text of a small device's configuration: one camera, one disguise, one character."""

from __future__ import annotations

DEVICE = """
[device]
name = "booth-1"
[cameras.booth]
scene = "hide"
[scenes.hide]
mode = "disguise"
identities = ["actor"]
[identities.actor]
photos = ["{photo}"]
[models]
folder = "{models}"
restorer = ""
"""


def device(models, extra="", photo="builtin:character"):
    """TOML of a device without a restorer.

    Args:
        models: folder of its models.
        extra: more tables.
        photo: of the character.
    """
    return DEVICE.format(models=models, photo=photo) + extra
