"""Opens the models of a running daemon, and puts better engines in their place later.

Each model gets the best runtime that the configuration allows and that has an engine for
it.  Where a better one lacks only its engine, a process builds that in the background;
once it is accepted, the session is switched between two frames.  Sessions are opened,
switched and closed on the thread that runs them; everything else is safe from any thread.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from edged.errors import EdgedError, EngineError
from edged.runtime.backend import Profile
from edged.runtime.build.manifest import Manifest
from edged.runtime.build.rebuild import Listeners, Patience, Rebuilder
from edged.runtime.build.store import EngineStore, Found, Missing
from edged.runtime.build.subject import Model
from edged.runtime.build.watch import ModelWatch
from edged.runtime.choice import Refusal, Served, Wish, choose, summary
from edged.runtime.libraries import without_folders
from edged.runtime.machine import CPU, Machine
from edged.runtime.mishaps import Mishaps
from edged.runtime.session import Meter, RuntimeChoice, Session
from edged.runtime.switching import Listener, Opener, SwitchingSession

log = logging.getLogger(__name__)

Event = Callable[[str, str, dict[str, Any]], None]
"""Takes an event: name, reason, data."""

MENDED_BY_BUILDING = frozenset({"absent", "stale", "damaged", "built"})
"""States of an engine that a build changes."""


@dataclass(frozen=True)
class Means:
    """What sessions are made with.

    Attributes:
        machine: its runtimes.
        engines: the store.
        open_cpu: a session on the CPU for a model, not yet entered.
        meter: counts the time inside sessions.
        background: build in the background what is missing.
        patience: after failed builds.
    """

    machine: Machine
    engines: EngineStore
    open_cpu: Callable[[Model], AbstractContextManager[Session]]
    meter: Meter
    background: bool = True
    patience: Patience | None = None


@dataclass
class _Served:
    """One model that is served."""

    model: Model
    session: SwitchingSession
    choice: RuntimeChoice
    wanted: list[str]
    """Better runtimes that lack only an engine, best first; the first one's is being built."""
    trouble: str = ""
    """Slug of what is wrong with it; empty: nothing."""


class Serving:
    """The models of one daemon.

    Args:
        wish: of the configuration.
        means: see there.
        event: takes events, from any thread.

    Raises:
        EngineError: the required runtime cannot work here.
    """

    def __init__(self, wish: Wish, means: Means, event: Event = lambda *_: None) -> None:
        self._wish = wish
        self._means = means
        self._event = event
        self._lock = threading.Lock()
        self._models: dict[str, _Served] = {}
        self._ready: queue.SimpleQueue[tuple[str, Found]] = queue.SimpleQueue()
        self._builder: Rebuilder | None = None
        self._watch: ModelWatch | None = None
        self._progress: tuple[str, str, float] | None = None
        self.version = 0
        """Counts changes of :attr:`choice`, so that `info` is said anew."""

        def works(name: str) -> Served | Refusal:
            return means.machine.refusal(name) or Served()

        self._device = choose(wish, works)

    # -- opening ----------------------------------------------------------------------

    def open(self, model: Model, stack: ExitStack) -> SwitchingSession:
        """A session on the best runtime that has this model; on this thread.

        Raises:
            EngineError: the required runtime has no engine of it, with the cure.
            ModelError: the model is not in order.
        """
        mishaps = Mishaps(model.id, self._event, self._touched)
        session = stack.enter_context(SwitchingSession(model.id, mishaps.told))
        mishaps.watch(session, lambda: self.models[model.id].name)
        lacking: list[tuple[str, Missing]] = []

        def offer(name: str) -> Served | Refusal:
            return self._offer(name, model, session, lacking)

        choice = choose(self._wish, offer, model_id=model.id)
        log.info("model %s: %s, %s (%s)", model.id, choice.name, choice.precision, choice.reason)
        wanted = [name for name, why in lacking if why.state in MENDED_BY_BUILDING]
        with self._lock:
            self._models[model.id] = _Served(model, session, choice, wanted)
            self.version += 1
        return session

    def _offer(
        self,
        name: str,
        model: Model,
        session: SwitchingSession,
        lacking: list[tuple[str, Missing]],
    ) -> Served | Refusal:
        """Switch a session to a runtime, or say why not."""
        refusal = self._means.machine.refusal(name)
        if refusal is not None:
            return refusal
        if name == CPU:
            session.switch(lambda stack: stack.enter_context(self._means.open_cpu(model)))
            return Served()
        found = self._means.engines.best(model, self._means.machine.backend(name))
        if isinstance(found, Missing):
            lacking.append((name, found))
            return Refusal(f"engine-{found.state}", found.reason)
        try:
            session.switch(self._opener(name, model, found))
        except EngineError as error:
            return Refusal("engine-failed", str(error))
        return served(found.manifest)

    def _opener(self, name: str, model: Model, found: Found) -> Opener:
        def opened(stack: ExitStack) -> Session:
            folder = stack.enter_context(found.held())
            backend = self._means.machine.backend(name)
            made = backend.open(folder, model_id=model.id, meter=self._means.meter)
            session = stack.enter_context(made)
            _warm(session, found.manifest.depends.profile)
            return session

        return opened

    # -- background -------------------------------------------------------------------

    def start(self, stack: ExitStack) -> None:
        """Watch the model files, and build what is missing; once all models are open."""
        with self._lock:
            models = list(self._models.values())
        self._watch = ModelWatch(one.model for one in models)
        wanted = [one for one in models if one.wanted]
        if not (wanted and self._means.background):
            return
        listeners = Listeners(done=self._built, failed=self._failed, progress=self._heard)
        builder = Rebuilder(self._means.engines, listeners, self._means.patience)
        self._builder = stack.enter_context(builder)
        for one in wanted:
            self._build(builder, one)

    def _build(self, builder: Rebuilder, one: _Served) -> None:
        """Have the engine of the best runtime that lacks one built."""
        builder.want(one.model, self._means.machine.backend(one.wanted[0]))

    def _built(self, model: Model, paper: Manifest) -> None:
        """An engine was accepted; on the builder's thread."""
        name = paper.depends.runtime
        found = self._means.engines.best(model, self._means.machine.backend(name))
        if isinstance(found, Found):
            self._ready.put((name, found))
        else:
            self._trouble(model.id, "engine-load-failed", found.reason)

    def _failed(self, model: Model, error: EdgedError, pause_s: float | None) -> None:
        """A build failed; on the builder's thread."""
        log.warning("%s", error)
        data: dict[str, Any] = {"model": model.id, "error": without_folders(str(error))}
        if pause_s is not None:
            data["again_in_s"] = round(pause_s)
        self._event("engine-build-failed", type(error).__name__, data)
        with self._lock:
            one = self._models[model.id]
            if pause_s is None and one.wanted:
                del one.wanted[0]  # trying again is of no use: the next best one, then
            following = bool(one.wanted) and pause_s is None
        if following and self._builder is not None:
            self._build(self._builder, one)

    def _heard(self, model_id: str, phase: str, share: float) -> None:
        self._progress = (model_id, phase, share)

    # -- while frames flow ------------------------------------------------------------

    def between_frames(self) -> None:
        """Switch to engines that became ready; on the thread that runs the sessions."""
        while True:
            try:
                name, found = self._ready.get_nowait()
            except queue.Empty:
                return
            self._switch(name, found)

    def _switch(self, name: str, found: Found) -> None:
        one = self._models[found.manifest.model]
        try:
            one.session.switch(self._opener(name, one.model, found))
        except EdgedError as error:
            self._trouble(one.model.id, "engine-load-failed", str(error))
            return
        had = served(found.manifest)
        choice = choose(
            self._wish,
            lambda other: had if other == name else self._refused(other),
            model_id=one.model.id,
        )
        log.info("model %s: switched to %s, %s", one.model.id, name, choice.precision)
        with self._lock:
            one.choice, one.wanted, one.trouble = choice, [], ""
            self.version += 1
        data = {"model": one.model.id, "runtime": name, "precision": choice.precision}
        self._event("engine-rebuilt", "", data)

    def _refused(self, name: str) -> Refusal:
        found = self._means.machine.refusal(name)
        return found or Refusal("engine-absent", f"it has no engine on {name}")

    def look(self) -> None:
        """Notice model files that were replaced; reads one that was, so not in a hurry."""
        for swapped in self._watch.look() if self._watch is not None else ():
            log.error("%s", swapped)
            self._trouble(swapped.model.id, "model-replaced", str(swapped))

    def _trouble(self, model_id: str, slug: str, text: str) -> None:
        log.warning("model %s: %s", model_id, text)
        with self._lock:
            self._models[model_id].trouble = slug
            self.version += 1
        self._event(slug, "", {"model": model_id, "error": without_folders(text)})

    def listen(self, model_id: str, listener: Listener | None) -> None:
        """Show a model's runs to a listener, or to nobody any more; from any thread."""
        with self._lock:
            self._models[model_id].session.listener = listener

    @property
    def loaded(self) -> Mapping[str, Model]:
        """The models that are served, by id."""
        with self._lock:
            return {model_id: one.model for model_id, one in self._models.items()}

    # -- what is said of it -----------------------------------------------------------

    @property
    def choice(self) -> RuntimeChoice:
        """Of the device, in the light of its models."""
        return summary(self._device, self.models)

    @property
    def models(self) -> Mapping[str, RuntimeChoice]:
        """Of each model."""
        with self._lock:
            return {model_id: one.choice for model_id, one in self._models.items()}

    @property
    def trouble(self) -> str:
        """For the device's state, what is wrong with a model; empty when nothing is."""
        with self._lock:
            found = [one.session.revival.trouble or one.trouble for one in self._models.values()]
        return next((trouble for trouble in found if trouble), "")

    @property
    def hopeless(self) -> str:
        """Why this process is to end: a session that cannot be opened anew; mostly empty."""
        with self._lock:
            found = [one.session.revival for one in self._models.values()]
        return next((one.trouble for one in found if one.hopeless), "")

    def _touched(self) -> None:
        with self._lock:
            self.version += 1

    def figures(self) -> dict[str, Any]:
        """For `health`: what is being built, and what waits."""
        if self._builder is None:
            return {}
        waiting = self._builder.waiting
        found: dict[str, Any] = {"engines_waiting": len(waiting)}
        if self._builder.building and self._progress is not None:
            model_id, phase, share = self._progress
            found["engine_build"] = {"model": model_id, "phase": phase, "share": round(share, 2)}
        return found


def _warm(session: Session, profile: Profile) -> None:
    """Run it once at the smallest and the usual extents, so that no frame waits for it.

    Raises:
        EngineError: it fails.
    """
    dtypes = {spec.name: spec.dtype for spec in session.inputs}
    for size in ("min", "opt"):
        shapes = {name: getattr(one, size) for name, one in profile.inputs.items()}
        session.run({name: np.zeros(shape, dtypes[name]) for name, shape in shapes.items()})


def served(paper: Manifest) -> Served:
    """What a manifest says of an engine that is loaded."""
    verdict, ran = paper.verdict, paper.ran
    engine: dict[str, Any] = {
        "status": paper.status,
        "key": paper.depends.key,
        "built_ms": paper.built.at_ms,
        "note": paper.precision_note,
    }
    if ran is not None:
        engine |= {"ran_ms": ran.at_ms, "ran_on": ran.on, "p50_ms": ran.p50_ms}
    if verdict is not None:
        engine |= {
            "accepted_ms": verdict.at_ms,
            "figures": dict(verdict.figures),
            "bounds": dict(verdict.bounds),
        }
    return Served("fp16-planned" if paper.precision == "fp16" else "fp32", engine)
