"""Which OpenCV is here: one, of version 4, that loads on this machine.

`opencv-python` and `opencv-python-headless` write the same folder, and so do the contrib
builds; the one installed last wins, and removing either breaks the other.

Data: packages, version.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.pip import pip
from edged.doctor.setup import Setup

FOLDER_FILE = "cv2/__init__.py"
WANTED = "'opencv-python-headless>=4.12,<5'"
_LOOK = """
import json
try:
    import cv2
    print(json.dumps({"version": cv2.__version__, "cascades": bool(cv2.data.haarcascades)}))
except ImportError as error:
    print(json.dumps({"missing": error.name or "", "text": str(error)}))
except AttributeError:
    print(json.dumps({"version": cv2.__version__, "cascades": False}))
"""


def look(host: Host, _setup: Setup) -> Iterator[Finding]:
    """Twice installed first: it explains most of the rest."""
    owners = host.owners(FOLDER_FILE)
    packages = {package.name: package.version for package in owners}
    found = host.ask(_LOOK)
    version = str(found.get("version", ""))
    data = {"packages": packages, "version": version}
    again = (
        pip(host, "uninstall", "-y", *packages),
        pip(host, "install", WANTED),
    )
    # The loader's sentence names a library, nothing of a frame.
    reason = str(found.get("text") or (f"Python {found['died']}" if "died" in found else ""))
    right = version.split(".", maxsplit=1)[0] == "4" and bool(found.get("cascades"))
    if len(owners) > 1:
        names = " and ".join(f"{name} {number}" for name, number in packages.items())
        yield Finding(
            "opencv.twice",
            "warn" if right else "fail",
            f"OpenCV is installed {len(owners)} times over each other: {names}",
            where=owners[0].folder,
            advice="All write the folder cv2, and the last one won"
            + ("." if right else f" ({reason or f'version {version}'}).")
            + " insightface asks for the one with Qt: install it with --no-deps, or remove that "
            "one after it.",
            cure=again,
            data=data,
        )
    elif reason:
        graphical = any(name in reason for name in ("libGL", "libgthread", "libxcb"))
        yield Finding(
            "opencv.broken",
            "fail",
            f"OpenCV does not load: {reason}",
            where=owners[0].folder if owners else "",
            advice="That build is for a desktop; the headless one needs no such library."
            if graphical
            else "",
            cure=again if packages else again[1:],
            data=data,
        )
    elif not right:
        yield Finding(
            "opencv.version",
            "fail",
            f"OpenCV {version} is here, and edged needs 4.12 or later, before 5",
            advice="OpenCV 5 has no Haar cascades, which the built-in detector is made of.",
            cure=again[1:],
            data=data,
        )
    else:
        yield Finding("opencv.one", "ok", f"OpenCV {version}", data=data)


CHECK = Check("opencv", "software", "OpenCV: one, of version 4, that loads", look, timeout_s=20)
