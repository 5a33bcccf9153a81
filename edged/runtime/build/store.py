"""The folder of engines: where each lies, whether it may be loaded, what is in the way.

    <folder>/<model>/<key>/             artifact and manifest.json, whole or not at all
    <folder>/<model>/<key>.rejected/    one whose outputs were out of bounds: never loaded
    <folder>/<model>/.partial-<pid>/    a build under way, swept by the next one
    <folder>/<model>/.lock              held by whoever builds for this model

The key names everything that the bytes depend on, and the manifest says it in full: an
engine is given out only when every field is what it is here and now, it was accepted, and
its files have the hashes that they had.  Knows folders; building is :mod:`.make`'s.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edged.errors import EdgedError, EngineError, ModelError
from edged.hashes import file_sha256
from edged.runtime.backend import Backend, BuildProgress, silent
from edged.runtime.build import jobs, manifest, process, room
from edged.runtime.build.manifest import Depends, Manifest, Piece
from edged.runtime.build.process import Limits
from edged.runtime.build.subject import Model, Subject, recipe_digest, subject_of
from edged.runtime.settings import BuildSettings

REJECTED = ".rejected"
PARTIAL = ".partial-"
_OLD = ".old-"
_LOCK = ".lock"
_POLL_S = 0.25


@dataclass(frozen=True)
class Found:
    """An engine that may be loaded: fresh, accepted, its files as they were built.

    Attributes:
        folder: to give to the backend.
        manifest: for `info`.
    """

    folder: Path
    manifest: Manifest

    @contextlib.contextmanager
    def held(self) -> Iterator[Path]:
        """Keep it from being pruned for as long as it is loaded."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield self.folder
        finally:
            os.close(handle)


@dataclass(frozen=True)
class Missing:
    """Why there is no engine to be loaded.

    Attributes:
        reason: for a person: what is absent, or what differs, and what to do.
        state: "absent", "stale", "damaged", "built" (it never ran here), "rejected" or
            "unbuildable" (the runtime or the model is not in order).
        differs: the single differences, when stale.
        error: when unbuildable, what is to be put in order.
    """

    reason: str
    state: str
    differs: tuple[str, ...] = ()
    error: EdgedError | None = None


@dataclass(frozen=True)
class Entry:
    """One folder of the store, for lists.

    Attributes:
        model: id.
        folder: where.
        manifest: None when it cannot be read.
        problem: why it cannot.
    """

    model: str
    folder: Path
    manifest: Manifest | None
    problem: str = ""

    @property
    def rejected(self) -> bool:
        """Whether it was put aside."""
        return self.folder.name.endswith(REJECTED)


@dataclass(frozen=True)
class EngineStore:
    """Engines in one folder.

    Attributes:
        settings: folder and bounds of builds.
    """

    settings: BuildSettings

    def home(self, model_id: str) -> Path:
        """Where the engines of a model are."""
        return self.settings.folder / model_id

    def subject(
        self, model: Model, limits: Limits | None = None, progress: BuildProgress = silent
    ) -> Subject:
        """What there is to build of a model; asks a worker unless it was asked before.

        Args:
            model: which.
            limits: of the worker.
            progress: of the worker.

        Raises:
            EdgedError: the model is not in order.
        """
        bounds = limits or Limits(self.settings.timeout_s, self.settings.memory_mb)

        def find_out(wanted: Model) -> Subject:
            job = jobs.Describe(parent=os.getpid(), model=wanted)
            outcome = process.run(job, bounds, progress)
            if outcome.ending != "done":
                raise EngineError(
                    f"model {wanted.id}: its graph could not be looked at: "
                    f"{outcome.crash or 'stopped'}"
                )
            return jobs.decode(outcome.result, Subject)

        return subject_of(model, self.home(model.id), find_out)

    def wanted(self, model: Model, backend: Backend, subject: Subject) -> Depends:
        """What an engine of a model must depend on, here and now.

        Raises:
            EngineError: the runtime cannot work here.
        """
        return Depends(
            runtime=backend.name,
            identity=dict(backend.identity()),
            model_sha256=model.sha256,
            recipe=recipe_digest(model.recipe),
            graph=subject.graph,
            plan=subject.plan,
            source=subject.source,
            profile=subject.profile,
            settings=self.settings.code,
        )

    def best(self, model: Model, backend: Backend) -> Found | Missing:
        """The engine of a model that may be loaded now, or why there is none.

        Reads and hashes the artifact; never raises for what a build would mend.
        """
        try:
            backend.identity()  # before a worker is asked: it is the cheaper question
            wanted = self.wanted(model, backend, self.subject(model))
        except EdgedError as error:
            return Missing(str(error), "unbuildable", error=error)
        return self.look(model.id, wanted)

    def look(self, model_id: str, wanted: Depends) -> Found | Missing:
        """The same for known dependencies."""
        folder = self.home(model_id) / wanted.key
        cure = f"run `edged engines build {model_id}`"
        if folder.is_dir():
            return _judge(folder, wanted, cure)
        aside = folder.with_name(f"{folder.name}{REJECTED}")
        if aside.is_dir():
            with contextlib.suppress(EngineError):
                why = manifest.read(aside).why_not
                return Missing(
                    f"the engine of {model_id} was rejected: {why}; measure its plan again "
                    f"(edged calibrate precision {model_id}) or use another runtime",
                    "rejected",
                )
        return self._stale(model_id, wanted, cure)

    def _stale(self, model_id: str, wanted: Depends, cure: str) -> Missing:
        """The nearest engine of the same runtime, and what it was built for."""
        nearest: tuple[str, ...] = ()
        for entry in self.entries(model_id):
            found = entry.manifest
            if found is None or entry.rejected or found.depends.runtime != wanted.runtime:
                continue
            differs = found.depends.differences(wanted)
            if differs and (not nearest or len(differs) < len(nearest)):
                nearest = differs
        if nearest:
            text = f"the engine of {model_id} is stale: {'; '.join(nearest)}; {cure}"
            return Missing(text, "stale", nearest)
        return Missing(f"no {wanted.runtime} engine of {model_id} was built; {cure}", "absent")

    def entries(self, model_id: str = "") -> list[Entry]:
        """Everything in the store, or of one model, by name."""
        homes = [self.home(model_id)] if model_id else _folders(self.settings.folder)
        return [_entry(home.name, folder) for home in homes for folder in _folders(home)]

    @contextlib.contextmanager
    def locked(self, model_id: str, waiting: Callable[[], bool]) -> Iterator[None]:
        """Be the only one that builds for a model, in all processes.

        Args:
            model_id: whose.
            waiting: called while another one holds it; False gives up.

        Raises:
            EngineError: given up.
            OperatorError: the folder cannot be made or written.
        """
        home = self.home(model_id)
        try:
            home.mkdir(parents=True, exist_ok=True)
            handle = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise room.disk_error(error, home) from error
        try:
            while not _try_lock(handle):
                if not waiting():
                    raise EngineError(f"model {model_id}: waiting for another build was given up")
                time.sleep(_POLL_S)
            yield
        finally:
            os.close(handle)

    def sweep(self, model_id: str) -> None:
        """Remove what ended builds left; the caller holds the lock, so nobody builds."""
        home = self.home(model_id)
        for old in home.glob(f"{_OLD}*"):
            name = home / old.name[len(_OLD) :]
            if name.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:  # power was cut between two renames: the old one is whole
                old.rename(name)
        for path in home.glob(f"{PARTIAL}*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in home.glob(f".*{manifest.NAME}"):
            path.unlink(missing_ok=True)

    def put(self, model_id: str, built: Path, paper: Manifest) -> Path:
        """Give a finished folder its name; what had the name goes.

        Args:
            model_id: whose; the caller holds its lock.
            built: flat folder on this file system, complete but for the manifest.
            paper: its manifest.

        Raises:
            OSError: it cannot be written; nothing was changed then.
        """
        write_paper(built, paper)
        room.sync_tree(built)
        good = paper.status != "rejected"
        target = self.home(model_id) / f"{paper.depends.key}{'' if good else REJECTED}"
        old = self.home(model_id) / f"{_OLD}{target.name}"
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        built.rename(target)
        handle = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        shutil.rmtree(old, ignore_errors=True)
        if good:  # an older verdict on the same dependencies no longer stands
            shutil.rmtree(target.with_name(f"{target.name}{REJECTED}"), ignore_errors=True)
        return target

    def prune(self, model_id: str, wanted: list[Depends]) -> list[Entry]:
        """Remove the engines of a model that can serve no more, but none that is loaded.

        Args:
            model_id: whose.
            wanted: dependencies of every runtime that works here; engines of a runtime
                that does not work at the moment are kept.

        Returns:
            What was removed.
        """
        keys = {depends.key for depends in wanted}
        runtimes = {depends.runtime for depends in wanted}
        removed = []
        for entry in self.entries(model_id):
            paper = entry.manifest
            kept = entry.folder.name in keys and paper is not None
            foreign = paper is not None and paper.depends.runtime not in runtimes
            if kept or (foreign and not entry.rejected) or _in_use(entry.folder):
                continue
            shutil.rmtree(entry.folder, ignore_errors=True)
            removed.append(entry)
        return removed


def _entry(model_id: str, folder: Path) -> Entry:
    try:
        return Entry(model_id, folder, manifest.read(folder))
    except EngineError as error:
        return Entry(model_id, folder, None, str(error))


def _judge(folder: Path, wanted: Depends, cure: str) -> Found | Missing:
    """Whether the engine in a folder may be loaded."""
    try:
        paper = manifest.read(folder)
    except EngineError as error:
        return Missing(str(error), "damaged")
    differs = paper.depends.differences(wanted)
    if differs or paper.depends != wanted:
        text = "; ".join(differs) or "its dependencies are not what its name says"
        return Missing(f"the engine of {paper.model} is stale: {text}; {cure}", "stale", differs)
    damage = damage_of(folder, paper)
    if damage:
        return Missing(f"the engine of {paper.model} is damaged: {damage}; {cure}", "damaged")
    if not paper.accepted:
        text = f"the engine of {paper.model} was built, but not accepted: {paper.why_not}; {cure}"
        return Missing(text, paper.status)
    return Found(folder, paper)


def damage_of(folder: Path, paper: Manifest) -> str:
    """What of an engine's files is not as it was built; empty when all is."""
    try:
        there = {path.name for path in folder.iterdir()} - {manifest.NAME}
        for name in sorted(there ^ paper.files.keys()):
            return f"{name} is {'none of its files' if name in there else 'absent'}"
        for name, piece in paper.files.items():
            size = (folder / name).stat().st_size
            if size != piece.size_bytes:
                return f"{name} has {size} bytes, not {piece.size_bytes}"
            if file_sha256(folder / name) != piece.sha256:
                return f"{name} does not have the SHA-256 that it was built with"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except ModelError as error:  # of the hash function: it cannot be read
        return str(error)
    return ""


def pieces_of(folder: Path) -> dict[str, Piece]:
    """Hash and size of every file of a flat folder but the manifest."""
    return {
        path.name: Piece(sha256=file_sha256(path), size_bytes=path.stat().st_size)
        for path in sorted(folder.iterdir())
        if path.name != manifest.NAME
    }


def write_paper(folder: Path, paper: Manifest) -> None:
    """Write or replace the manifest of a folder, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    fresh = folder.parent / f".{folder.name}.{manifest.NAME}"
    try:
        with fresh.open("wb") as file:
            file.write(manifest.encode(paper))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / manifest.NAME)
    finally:
        fresh.unlink(missing_ok=True)


def _folders(parent: Path) -> list[Path]:
    """Visible folders in a folder, by name; none where it cannot be read."""
    try:
        inside = sorted(parent.iterdir())
    except OSError:
        return []
    return [path for path in inside if path.is_dir() and not path.name.startswith(".")]


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(folder: Path) -> bool:
    """Whether a process has it loaded, see :meth:`Found.held`."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)
