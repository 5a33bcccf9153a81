"""Notices that a model file was replaced under a running daemon.

An engine in memory stays what was accepted; but what `info` says of the model is no longer
what lies on the disk, and the next start would rebuild.  Knows files' inodes and hashes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edged.errors import ModelError
from edged.hashes import file_sha256
from edged.runtime.build.subject import Model

_Signature = tuple[int, int, int, int]


@dataclass(frozen=True)
class Swapped:
    """A model file that is no longer what was loaded.

    Attributes:
        model: as it was loaded.
        sha256: of the file now; empty: it is gone or cannot be read.
    """

    model: Model
    sha256: str

    def __str__(self) -> str:
        """What happened and what to do, for an event and the log."""
        name, was = self.model.path.name, self.model.sha256[:12]
        if not self.sha256:
            return (
                f"model {self.model.id}: {name} is gone; what is loaded keeps running; "
                f"run `edged models pull {self.model.id}`"
            )
        return (
            f"model {self.model.id}: {name} was replaced (SHA-256 {was}... is now "
            f"{self.sha256[:12]}...); what is loaded keeps running; run `edged models verify "
            f"{self.model.id}`, then restart edged"
        )


class ModelWatch:
    """Looks at model files; reads one only when its inode says that it was changed.

    Args:
        models: as they were loaded.
    """

    def __init__(self, models: Iterable[Model]) -> None:
        self._known = {model.id: (model, _signature(model.path)) for model in models}

    def look(self) -> list[Swapped]:
        """Models that were replaced since the last look, each told once a change."""
        found = []
        for model_id, (model, before) in list(self._known.items()):
            now = _signature(model.path)
            if now == before:
                continue
            self._known[model_id] = (model, now)
            sha256 = _hash(model.path)
            if sha256 != model.sha256:
                found.append(Swapped(model, sha256))
        return found


def _signature(path: Path) -> _Signature | None:
    """What changes with a file's content; None when it is not there.

    The time of change is the kernel's: unlike the time of modification nobody can set it.
    """
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_ctime_ns


def _hash(path: Path) -> str:
    try:
        return file_sha256(path)
    except ModelError:
        return ""
