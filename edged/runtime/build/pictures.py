"""Engines of the picture graphs, for runtimes that cannot take a graph as it is.

    <engines>/.pictures/<key>/<graph>/     the artifact of each graph
    <engines>/.pictures/<key>/sums.json    their hashes, written last

They are small, belong to no model and are in no list of models; a folder is used when its
key, which names everything that the bytes depend on, is the one that is wanted, and its
files have the hashes that they had.  Whether what they draw is right is tried by whoever
opens them (:mod:`edged.stages.resident_trial`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from edged import __version__
from edged.errors import EngineError, ModelError
from edged.hashes import file_sha256
from edged.runtime.backend import Backend, BuildProgress
from edged.runtime.build import jobs, process, room
from edged.runtime.build.jobs import Pictures
from edged.runtime.build.process import Limits
from edged.runtime.graph.picture import all_graphs
from edged.runtime.pictures import LARGEST_PX, profile_of_picture
from edged.runtime.session import Meter, Session
from edged.runtime.settings import BuildSettings

FOLDER = ".pictures"
SUMS = "sums.json"


class _Sums(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What lies in a folder.

    Attributes:
        runtime: that it was built for.
        files: SHA-256 by path in the folder.
    """

    runtime: str
    files: dict[str, str]


@dataclass(frozen=True)
class PictureEngines:
    """The picture graphs' engines of one runtime.

    Attributes:
        settings: folder and bounds of builds.
        backend: the runtime.
    """

    settings: BuildSettings
    backend: Backend

    @cached_property
    def folder(self) -> Path:
        """Where those that fit this machine are.

        Raises:
            EngineError: the runtime cannot work here.
        """
        return self.settings.folder / FOLDER / self._key()

    def there(self) -> bool:
        """Whether they can be opened: all of them, as they were built."""
        folder = self.folder
        try:
            sums = msgspec.json.decode((folder / SUMS).read_bytes(), type=_Sums)
            found = {name: file_sha256(folder / name) for name in sums.files}
        except (OSError, ModelError, msgspec.MsgspecError):
            return False
        return found == sums.files and {Path(name).parts[0] for name in found} == set(all_graphs())

    def make(self, progress: BuildProgress, stop: threading.Event) -> None:
        """Build them, in a process of its own; older ones of this runtime go.

        Raises:
            EdgedError: a build failed, was stopped, or has no room.
        """
        target = self.folder
        partial = target.with_name(f".partial-{os.getpid()}")
        limits = Limits(self.settings.timeout_s, self.settings.memory_mb, stop)
        try:
            outcome, attempts = process.run_with_retries(
                lambda _attempt: self._job(partial), limits, progress, self.settings.retries
            )
            if outcome.ending != "done":
                what = "was stopped" if outcome.ending == "stopped" else outcome.crash
                msg = (
                    f"the picture graphs: their {self.backend.name} build {what} "
                    f"(attempts: {attempts}); frames stay in host memory"
                )
                raise EngineError(msg)
            self._seal(partial)
            for folder in (*(partial / name for name in all_graphs()), partial):
                room.sync_tree(folder)
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        except OSError as error:
            if not self.there():  # else another process was quicker
                raise room.disk_error(error, self.settings.folder) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._prune(target)

    def open(self, name: str, meter: Meter) -> Session:
        """The session of one graph, not yet entered."""
        return self.backend.open(self.folder / name, model_id=name, meter=meter)

    def _key(self) -> str:
        graphs = {
            name: (
                hashlib.sha256(graph.SerializeToString(deterministic=True)).hexdigest(),
                profile_of_picture(graph),
            )
            for name, graph in all_graphs().items()
        }
        parts = (
            self.backend.name, sorted(self.backend.identity().items()),
            sorted(self.settings.code.items()), graphs, __version__,
        )  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]

    def _job(self, partial: Path) -> Pictures:
        """The job of one attempt, in an empty folder."""
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        return Pictures(
            parent=os.getpid(),
            backend=jobs.maker(self.backend),
            settings=self.settings,
            folder=partial,
        )

    def _seal(self, folder: Path) -> None:
        """Write down what was built."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        sums = _Sums(
            runtime=self.backend.name,
            files={str(path.relative_to(folder)): file_sha256(path) for path in files},
        )
        (folder / SUMS).write_bytes(msgspec.json.encode(sums))

    def _prune(self, kept: Path) -> None:
        """Remove what this runtime had built before."""
        for folder in kept.parent.iterdir():
            try:
                sums = msgspec.json.decode((folder / SUMS).read_bytes(), type=_Sums)
            except (OSError, msgspec.MsgspecError):
                continue
            if folder != kept and sums.runtime == self.backend.name:
                shutil.rmtree(folder, ignore_errors=True)


@dataclass(repr=False)
class PictureShelf:
    """Picture engines that are built in the background when they are first asked for.

    Attributes:
        engines: of one runtime.
        meter: counts the time inside sessions.
        largest_px: side of a frame that they take.
    """

    engines: PictureEngines
    meter: Meter
    largest_px: int = LARGEST_PX
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _missing: str = "its picture graphs are being built"

    def missing(self) -> str:
        """Why nothing can be opened yet, for people; empty when it can.

        The first call begins a build where there is need of one.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._make, name="pictures", daemon=True)
            self._thread.start()
        return self._missing

    def __call__(self, name: str, graph: bytes) -> Session:  # noqa: ARG002 - built from it
        """The session of a graph, not yet entered."""
        return self.engines.open(name, self.meter)

    def wait(self) -> None:
        """Until the build has ended, well or not."""
        self.missing()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """End a build that is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _make(self) -> None:
        try:
            if not self.engines.there():
                self.engines.make(lambda _phase, _share: None, self._stop)
        except Exception as error:  # noqa: BLE001 - the daemon goes on with frames in host memory
            self._missing = str(error) or type(error).__name__
        else:
            self._missing = ""
