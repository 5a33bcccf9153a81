"""Makes an engine: build, hash, try, compare, put into place; or say why not.

Everything that can go wrong happens in a worker process or inside a partial folder, so
that the store holds whole engines only.  Knows the order of the steps; the steps are
:mod:`.process`'s, :mod:`.worker`'s and :mod:`.store`'s.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edged import __version__
from edged.errors import EngineError
from edged.runtime.backend import Backend, BuildProgress, Tameable, silent
from edged.runtime.build import jobs, manifest, process, room
from edged.runtime.build.folders import damage_of, locked, pieces_of, write_paper
from edged.runtime.build.jobs import Accept, Build, Trial
from edged.runtime.build.manifest import Built, Depends, Manifest
from edged.runtime.build.process import Limits, Outcome
from edged.runtime.build.store import PARTIAL, EngineStore, Found
from edged.runtime.build.subject import Model, Subject, require_half
from edged.runtime.settings import BuildSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is to be built.

    Attributes:
        model: of which.
        backend: for which runtime.
        force: also when a fresh one is there.
        half: refuse to build FP32.
        progress: told of every step.
        stop: when set, the build ends.
    """

    model: Model
    backend: Backend
    force: bool = False
    half: bool = False
    progress: BuildProgress = silent
    stop: threading.Event = field(default_factory=threading.Event)


def make(store: EngineStore, order: Order) -> Manifest:
    """Build one engine, unless a fresh one is there or another process has just built it.

    Returns:
        The manifest: accepted, rejected, or only built where it cannot run here.

    Raises:
        EngineError: the runtime cannot work here; the builder crashed every time, took
            too long or too much memory; or it was stopped.
        ModelError: the model cannot be built.
        OperatorError: the disk is full, or the folder cannot be written.
    """
    settings, model, begun_ms = store.settings, order.model, _now_ms()
    limits = Limits(settings.timeout_s, settings.memory_mb, order.stop)
    order.backend.identity()  # says what is wrong before anything is done
    order.progress("look at the model", 0.0)
    subject = store.subject(model, limits, order.progress)
    if order.half:
        require_half(model, subject)
    wanted = store.wanted(model, order.backend, subject)

    def waiting() -> bool:
        order.progress("wait for another build", 0.0)
        return not order.stop.is_set()

    with locked(store.home(model.id), waiting):
        store.sweep(model.id)
        there = store.look(model.id, wanted)
        if isinstance(there, Found):
            if not order.force or there.manifest.built.at_ms >= begun_ms:
                return there.manifest
        elif there.state == "built" and not order.force:
            again = _try_again(store, order, subject, wanted, limits)
            if again:
                return again
        return _make_new(store, order, subject, wanted, limits)


def _make_new(
    store: EngineStore, order: Order, subject: Subject, wanted: Depends, limits: Limits
) -> Manifest:
    home, model = store.home(order.model.id), order.model
    room.check_disk(home, model.path.stat().st_size)
    partial = home / f"{PARTIAL}{os.getpid()}"
    try:
        made = partial / "engine"
        outcome, attempts = process.run_with_retries(
            lambda _attempt: _fresh_job(order, subject, store.settings, partial),
            limits,
            order.progress,
            store.settings.retries,
        )
        _require_done(order, outcome, attempts)
        order.progress("hash the engine", 0.0)
        paper = Manifest(
            model=model.id,
            artifact=order.backend.artifact,
            depends=wanted,
            precision=subject.precision,
            precision_note=subject.note,
            files=pieces_of(made),
            built=Built(
                at_ms=_now_ms(),
                took_s=outcome.took_s,
                attempts=attempts,
                peak_mb=outcome.peak_mb,
                edged=__version__,
            ),
        )
        paper = _tried(order, subject, made, paper, limits)
        if not paper.accepted and isinstance(order.backend, Tameable) and order.backend.tame(made):
            log.warning("engine %s: its plain form is tried: %s", model.id, paper.why_not)
            note = f"{subject.note}; the slower, plain form, since: {paper.why_not}"
            paper = msgspec.structs.replace(paper, files=pieces_of(made), precision_note=note)
            paper = _tried(order, subject, made, paper, limits)
        if paper.accepted or not isinstance(store.look(model.id, wanted), Found):
            store.put(model.id, made, paper)  # else a forced build was worse than what is there
    except OSError as error:
        raise room.disk_error(error, home) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.info("engine %s/%s: %s", model.id, wanted.key, paper.status)
    return paper


def _fresh_job(order: Order, subject: Subject, settings: BuildSettings, partial: Path) -> Build:
    """The job of one attempt, in an empty folder."""
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "engine").mkdir(parents=True)
    return Build(
        parent=os.getpid(),
        model=order.model,
        backend=jobs.maker(order.backend),
        subject=subject,
        settings=settings,
        source=partial / "source.onnx",
        out=partial / "engine" / order.backend.artifact,
    )


def _require_done(order: Order, outcome: Outcome, attempts: int) -> None:
    """Raises EngineError for a build that was stopped or crashed."""
    name, what = order.model.id, order.backend.name
    if outcome.ending == "stopped":
        raise EngineError(f"model {name}: the build was stopped")
    if outcome.ending == "crashed":
        times = "once" if attempts == 1 else f"{attempts} times"
        raise EngineError(
            f"model {name}: the {what} builder crashed {times}: {outcome.crash}; run `edged "
            "doctor`, update the driver, lower engines.workspace_mb or "
            "engines.optimisation_level, or use another runtime"
        )


def _tried(
    order: Order, subject: Subject, folder: Path, paper: Manifest, limits: Limits
) -> Manifest:
    """The manifest with what a trial in a process of its own has shown."""
    job = Accept(
        parent=os.getpid(),
        model=order.model,
        backend=jobs.maker(order.backend),
        subject=subject,
        folder=folder,
    )
    try:
        outcome = process.run(job, limits, order.progress)
    except EngineError as error:
        trial = Trial(problem=str(error))
    else:
        if outcome.ending == "stopped":
            raise EngineError(f"model {order.model.id}: the build was stopped")
        if outcome.ending == "crashed":
            trial = Trial(problem=f"its trial run was {outcome.crash}")
        else:
            trial = jobs.decode(outcome.result, Trial)
    return msgspec.structs.replace(
        paper, ran=trial.ran, verdict=trial.verdict, problem=trial.problem
    )


def _try_again(
    store: EngineStore, order: Order, subject: Subject, wanted: Depends, limits: Limits
) -> Manifest | None:
    """Accept an engine that was built whole but could not run then; None: build anew."""
    folder = store.home(order.model.id) / wanted.key
    try:
        paper = manifest.read(folder)
        if damage_of(folder, paper):
            return None
        paper = _tried(order, subject, folder, paper, limits)
        if paper.status == "rejected":
            store.put(order.model.id, folder, paper)
        else:
            write_paper(folder, paper)
    except OSError as error:
        raise room.disk_error(error, folder) from error
    return paper


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
