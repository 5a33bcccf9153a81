"""Where the data folders are: recipes, calibration, systemd units.

Knows the two places that they can lie in; knows nothing of what is in them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Folder = Literal["engines", "calibration", "systemd"]


def data_folder(name: Folder) -> Path:
    """The folder `<package>/<name>` of an installed wheel, else `<checkout>/<name>`."""
    package = Path(__file__).resolve().parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
