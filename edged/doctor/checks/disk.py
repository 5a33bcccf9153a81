"""Whether state, models, engines and outbox have a place, with room, that lasts.

Data: path, free_mb, total_mb, filesystem.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host, existing
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
    wants = {
        "models": (setup.config.models.folder, 0),
        "engines": (setup.state_folder / "engines", ENGINES_MB * _MB),
        "outbox": (outbox.folder, outbox.max_bytes + outbox.min_free_bytes),
    }
    fine: dict[str, int] = {}
    for name, (folder, wanted_bytes) in wants.items():
        found = list(_look_at(host, name, folder, wanted_bytes))
        yield from found
        if not found:
            fine[name] = host.disk(folder)[0] // _MB
    if fine:
        least = min(fine.values())
        yield Finding(
            "disk.room",
            "ok",
            f"{least} MB are free for {', '.join(fine)}",
            str(setup.state_folder),
            data={"free_mb": fine},
        )


def _look_at(host: Host, name: str, folder: Path, wanted_bytes: int) -> Iterator[Finding]:
    try:
        free, total = host.disk(folder)
    except OSError as error:
        yield Finding(
            "disk.unreadable", "fail", f"the folder for {name} cannot be looked at",
            str(folder), data={"path": str(folder), "error": type(error).__name__},
        )  # fmt: skip
        return
    kind, options = mounted(host, folder)
    data = {
        "path": str(folder), "free_mb": free // _MB, "total_mb": total // _MB, "filesystem": kind,
    }  # fmt: skip
    place = existing(host.at(folder))
    if "ro" in options or not writable(host, place):
        yield Finding(
            "disk.read-only",
            "fail",
            f"user {host.user.name} cannot write to the folder for {name}",
            str(folder),
            cure=(f"sudo install -d -o {host.user.name} -m 700 {folder}",)
            if "ro" not in options
            else (),
            advice="Its file system is mounted read-only." if "ro" in options else "",
            data=data,
        )
    if free < wanted_bytes:
        used = 0 if name != "outbox" else folder_bytes(host.at(folder))
        if free + used < wanted_bytes:
            yield Finding(
                "disk.full",
                "warn",
                f"{free // _MB} MB are free for {name}, and up to {wanted_bytes // _MB} are wanted",
                str(folder),
                advice="Make room, or set outbox.max_bytes to what there is."
                if name == "outbox"
                else "A build that runs out of room leaves the old engine as it was.",
                data=data,
            )
    if name == "outbox" and kind in FLEETING:
        yield Finding(
            "disk.fleeting",
            "warn",
            f"the outbox is on {kind}: what waits in it is gone with the machine's power"
            if kind != "overlay"
            else "the outbox is inside the container's own layer, and goes when that goes",
            str(folder),
            advice="Mount a volume there, or set outbox.folder to a place that lasts.",
            data=data,
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
