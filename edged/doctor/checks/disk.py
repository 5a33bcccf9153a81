"""Whether state, models, engines and outbox have a place, with room, that lasts.

Data: path, free_mb, filesystem, for each folder by name where it is about several.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edged.doctor.box import existing
from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup

_MB = 1 << 20
ENGINES_MB = 2048
"""A set of FP16 engines and their timing caches takes a few hundred MB, and an engine that
is built again stands beside the old one until it is accepted."""
FLEETING = ("tmpfs", "ramfs", "overlay")
"""File systems whose contents do not outlive the machine or the container."""


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Each folder: can the user write to it, is there room, does it outlive a restart."""
    outbox = setup.config.outbox
    places = [
        _place(host, "models", setup.config.models.folder, 0),
        _place(host, "engines", setup.config.engines.folder, ENGINES_MB * _MB),
        _place(host, "outbox", outbox.folder, outbox.max_bytes + outbox.min_free_bytes),
    ]
    shut = [place for place in places if place.shut]
    if shut:
        yield _shut(host, shut)
    full = [place for place in places if place.lacking_bytes]
    for place in full:
        yield Finding(
            "disk.full",
            "warn",
            f"{place.free_bytes // _MB} MB are free for {place.name}, and up to "
            f"{place.wanted_bytes // _MB} are wanted",
            str(place.folder),
            advice="Make room, or set outbox.max_bytes to what there is."
            if place.name == "outbox"
            else "A build that runs out of room leaves the old engine as it was.",
            data=place.data,
        )
    fleeting = [place for place in places if place.name == "outbox" and place.kind in FLEETING]
    for place in fleeting:
        yield Finding(
            "disk.fleeting",
            "warn",
            f"the outbox is on {place.kind}: what waits in it is gone with the machine's power"
            if place.kind != "overlay"
            else "the outbox is inside the container's own layer, and goes when that goes",
            str(place.folder),
            advice="Mount a volume there, or set outbox.folder to a place that lasts.",
            data=place.data,
        )
    if not (shut or full or fleeting):
        least = min(place.free_bytes for place in places) // _MB
        names = ", ".join(place.name for place in places)
        yield Finding(
            "disk.room", "ok", f"{least} MB are free for {names}", str(setup.state_folder),
            data={place.name: place.data for place in places},
        )  # fmt: skip


@dataclass(frozen=True)
class _Place:
    """One folder, there or not yet.

    Attributes:
        name: what it is for.
        folder: where.
        wanted_bytes: that it may come to hold.
        free_bytes, held_bytes: on its disk, and in it already.
        kind: of file system.
        shut: "read-only" (the file system is) or "denied" (to the user); "" if neither.
    """

    name: str
    folder: Path
    wanted_bytes: int
    free_bytes: int
    held_bytes: int
    kind: str
    shut: str

    @property
    def lacking_bytes(self) -> int:
        """How much is missing; what it holds already is no more to come."""
        return max(0, self.wanted_bytes - self.free_bytes - self.held_bytes)

    @property
    def data(self) -> dict[str, object]:
        """For machines."""
        return {
            "path": str(self.folder),
            "free_mb": self.free_bytes // _MB,
            "filesystem": self.kind,
        }


def _place(host: Host, name: str, folder: Path, wanted_bytes: int) -> _Place:
    kind, options = mounted(host, folder)
    shut = ""
    if "ro" in options:
        shut = "read-only"
    elif not writable(host, existing(host.at(folder))):
        shut = "denied"
    free = host.free_bytes(folder)
    return _Place(name, folder, wanted_bytes, free, folder_bytes(host.at(folder)), kind, shut)


def _shut(host: Host, shut: Sequence[_Place]) -> Finding:
    names = ", ".join(place.name for place in shut)
    frozen = [place for place in shut if place.shut == "read-only"]
    user = host.user.name
    top = shut[0].folder.parent
    cure = (
        (f"sudo chown -R {user} {top}",)
        if host.exists(top)
        else (f"sudo install -d -o {user} -m 700 {top}",)
    )
    return Finding(
        "disk.read-only",
        "fail",
        f"user {user} cannot write to the folders for {names}",
        ", ".join(str(place.folder) for place in shut),
        advice="The file system is mounted read-only." if frozen else "",
        cure=() if frozen else cure,
        data={place.name: place.data for place in shut},
    )


def mounted(host: Host, folder: Path) -> tuple[str, frozenset[str]]:
    """Type and options of the file system that a folder is on, or will be."""
    path = str(folder)
    best, kind, options = "", "", frozenset[str]()
    for line in (host.text("/proc/mounts") or "").splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        point = words[1].rstrip("/")
        if (path == point or path.startswith(f"{point}/")) and len(point) >= len(best):
            best, kind, options = point, words[2], frozenset(words[3].split(","))
    return kind, options


def writable(host: Host, place: Path) -> bool:
    """Whether the user may make files in a folder that is there."""
    if host.user.uid == os.geteuid():
        return os.access(place, os.W_OK | os.X_OK)
    if host.user.uid == 0:
        return True
    found = place.stat()
    shift = 6 if found.st_uid == host.user.uid else 3 if found.st_gid in host.user.gids else 0
    return found.st_mode >> shift & 3 == 3


def folder_bytes(folder: Path) -> int:
    """Size of the files directly in a folder; 0 where there is none."""
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        return 0


CHECK = Check("disk", "machine", "folders of models, engines and outbox", look, configured=True)
