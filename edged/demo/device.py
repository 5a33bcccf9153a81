"""The device of the demo: a configuration in a temporary folder, and `edged run` on it.

What runs here is what runs in a booth: the same command, the same two processes.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edged.demo.children import Child
from edged.errors import OperatorError

SITE, DEVICE = "demo", "booth-1"
BOOTH, DOOR = "booth", "door"
"""Cameras: one for shots, one that streams."""

CHARACTER, STRANGER, POSTER, BAND = "character", "stranger", "poster", "band"
"""Scenes."""

_CONFIG = """\
[device]
name = "{device}"
site = "{site}"

[cameras.{booth}]
scene = "{character}"

[cameras.{door}]
scene = "{character}"

[scenes.{character}]
mode = "disguise"
identities = ["drawn", "drawn-2", "drawn-3"]
share_identities = true
publish_every_s = 1.0

[scenes.{stranger}]
mode = "disguise"
identities = ["photographed"]
share_identities = true

[scenes.{poster}]
mode = "portrait"
template = "{one}"
surplus_faces = "largest"

[scenes.{band}]
mode = "portrait"
template = "{many}"
surplus_faces = "largest"

[identities.drawn]
photos = ["builtin:robin"]

[identities.drawn-2]
photos = ["builtin:sasha"]

[identities.drawn-3]
photos = ["builtin:kim"]

[identities.photographed]
photos = ["{photo}"]

[models]
folder = "{folder}/models"

[outbox]
folder = "{folder}/outbox"

[isolation]
mode = "{isolation}"

[broker]
port = {port}

[health]
period_s = 2.0
"""


@dataclass(frozen=True)
class Device:
    """A running `edged run`.

    Attributes:
        run_dir: folder of its sockets.
        config: its configuration file.
        child: its process.
    """

    run_dir: Path
    config: Path
    child: Child

    @property
    def frames(self) -> str:
        """Where frames go in."""
        return f"ipc://{self.run_dir / 'frames.sock'}"

    @property
    def view(self) -> str:
        """Where guarded stream frames can be seen."""
        return f"ipc://{self.run_dir / 'view.sock'}"


def start_device(folder: Path, port: int, identity_photo: Path, isolation: str) -> Device:
    """Write the configuration and start `edged run`; it is not ready yet.

    Args:
        folder: private and temporary, for everything.
        port: of the broker on the loopback.
        identity_photo: whom the second disguise scene turns faces into.
        isolation: mode to ask for, from :func:`best_isolation`.
    """
    run_dir = folder / "run"
    run_dir.mkdir(mode=0o700)
    config = folder / "edged.toml"
    config.write_text(
        _CONFIG.format(
            device=DEVICE, site=SITE, booth=BOOTH, door=DOOR,
            character=CHARACTER, stranger=STRANGER, poster=POSTER, band=BAND,
            one="builtin:painting", many="builtin:summit",
            photo=identity_photo, folder=folder, isolation=isolation, port=port,
        ),
        encoding="utf-8",
    )  # fmt: skip
    words = [sys.executable, "-m", "edged", "run"]
    words += ["--config", str(config), "--run-dir", str(run_dir)]
    return Device(run_dir, config, Child("edged run", words, folder / "edged.log"))


def best_isolation() -> str:
    """The strongest mode that this machine gives, tried on a process that does nothing."""
    for mode in ("namespace", "seccomp"):
        words = [sys.executable, "-m", "edged.privacy.launch", mode, "--", sys.executable, "-c", ""]
        tried = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 - our own
        if tried.returncode == 0:
            return mode
    return "off"


def require_packages(*names: str) -> None:
    """Say at once which of the demo's packages are absent.

    Raises:
        OperatorError: one is.
    """
    import importlib.util  # noqa: PLC0415 - nothing else here needs it

    absent = [name for name in names if importlib.util.find_spec(name) is None]
    if absent:
        raise OperatorError(
            f"the demo needs {', '.join(absent)}: run `make demo`, or pip install 'edged[demo]'"
        )
