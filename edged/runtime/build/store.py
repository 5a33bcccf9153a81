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
import os
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from edged.errors import EdgedError, EngineError
from edged.fresh_file import sync_folder
from edged.runtime.backend import Backend, BuildProgress, silent
from edged.runtime.build import jobs, manifest, process, room
from edged.runtime.build.folders import damage_of, held, in_use, subfolders, write_paper
from edged.runtime.build.manifest import Depends, Manifest
from edged.runtime.build.process import Limits
from edged.runtime.build.subject import Model, Subject, recipe_digest, subject_of
from edged.runtime.settings import BuildSettings

REJECTED = ".rejected"
PARTIAL = ".partial-"
_OLD = ".old-"


@dataclass(frozen=True)
class Found:
    """An engine that may be loaded: fresh, accepted, its files as they were built.

    Attributes:
        folder: to give to the backend.
        manifest: for `info`.
    """

    folder: Path
    manifest: Manifest

    def held(self) -> AbstractContextManager[Path]:
        """Keep it from being pruned for as long as it is loaded."""
        return held(self.folder)


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
        homes = [self.home(model_id)] if model_id else subfolders(self.settings.folder)
        return [_entry(home.name, folder) for home in homes for folder in subfolders(home)]

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
        sync_folder(target.parent)
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
            if kept or (foreign and not entry.rejected) or in_use(entry.folder):
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
