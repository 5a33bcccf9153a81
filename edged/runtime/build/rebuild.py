"""Builds in the background what is absent or stale, while another runtime serves.

One thread, one build at a time.  What failed is tried again later and later; what trying
again cannot mend (a graph that a builder does not take, an engine out of its bounds) waits
until it is wanted anew, with another plan, model or driver.  Knows orders and time; what
becomes of a new engine is the callbacks' business.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

from edged.errors import EdgedError, EngineError, ModelError
from edged.runtime.backend import Backend
from edged.runtime.build.make import Order, make
from edged.runtime.build.manifest import Manifest
from edged.runtime.build.store import EngineStore
from edged.runtime.build.subject import Model

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """Seconds between attempts: the first pause, doubled up to the longest."""

    first_s: float = 60.0
    most_s: float = 3600.0

    def pause_s(self, failures: int) -> float:
        """Before the attempt after so many failures."""
        return float(min(self.most_s, self.first_s * 2 ** min(failures - 1, 20)))


def _nothing(*_of_it: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Listeners:
    """Who is told, on the builder's thread.

    Attributes:
        done: an engine was accepted and lies in the store: model and manifest.
        failed: model, what is wrong, and seconds until it is tried again; None: not
            until it is wanted anew.
        progress: model id, phase, share of the phase.
    """

    done: Callable[[Model, Manifest], None] = _nothing
    failed: Callable[[Model, EdgedError, float | None], None] = _nothing
    progress: Callable[[str, str, float], None] = _nothing


@dataclass(frozen=True)
class _Wish:
    model: Model
    backend: Backend
    failures: int = 0
    due_s: float = 0.0


class Rebuilder:
    """The background builder; a context that stops it.

    Args:
        store: that it builds into.
        listeners: who is told.
        patience: after failures.
    """

    def __init__(
        self, store: EngineStore, listeners: Listeners, patience: Patience | None = None
    ) -> None:
        self._store = store
        self._tell = listeners
        self._patience = patience or Patience()
        self._wishes: dict[tuple[str, str], _Wish] = {}
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="engine-builder", daemon=True)
        self.building = ""
        """Id of the model that is being built; empty: none."""

    def __enter__(self) -> Rebuilder:  # noqa: PYI034 - Self needs 3.11
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop: the worker is killed, its partial folder removed."""
        self.stop()

    def want(self, model: Model, backend: Backend) -> None:
        """Have an engine built as soon as may be; a fresh one is reported at once."""
        with self._changed:
            self._wishes[model.id, backend.name] = _Wish(model, backend)
            self._changed.notify()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Ids of models whose engines are still wanted, the one under way included."""
        with self._changed:
            return tuple(model_id for model_id, _runtime in self._wishes)

    def stop(self) -> None:
        """End the build under way and the thread; returns when both are gone."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            wish = self._next()
            if wish is not None:
                self._fulfil(wish)

    def _next(self) -> _Wish | None:
        """The wish that is due, after waiting for one; None when something changed."""
        with self._changed:
            now = time.monotonic()
            first = min(self._wishes.values(), key=lambda wish: wish.due_s, default=None)
            if first is not None and first.due_s <= now:
                return first
            if not self._stop.is_set():
                self._changed.wait(None if first is None else first.due_s - now)
            return None

    def _fulfil(self, wish: _Wish) -> None:
        self.building = wish.model.id
        try:
            paper = make(self._store, self._order(wish))
        except EdgedError as error:
            failed: tuple[EdgedError, bool] | None = (error, not isinstance(error, ModelError))
        except Exception as error:  # the thread outlives whatever a build does
            log.exception("model %s: the background build failed", wish.model.id)
            text = f"model {wish.model.id}: the background build failed ({type(error).__name__})"
            failed = (EngineError(text), True)
        else:
            text = f"model {wish.model.id}: {paper.why_not}"
            failed = None if paper.accepted else (EngineError(text), paper.status == "built")
        finally:
            self.building = ""
        if self._stop.is_set():
            return
        pause_s = self._settle(wish, failed)
        if failed is None:
            self._tell.done(wish.model, paper)
        else:
            self._tell.failed(wish.model, failed[0], pause_s)

    def _settle(self, wish: _Wish, failed: tuple[EdgedError, bool] | None) -> float | None:
        """Note how a wish ended; the seconds until it is tried again, None: it is not."""
        key = wish.model.id, wish.backend.name
        again = failed is not None and failed[1]
        failures = wish.failures + 1
        pause_s = self._patience.pause_s(failures) if again else None
        with self._changed:
            if self._wishes.get(key) is not wish:  # wanted anew meanwhile, and due at once
                return 0.0
            if pause_s is None:
                del self._wishes[key]
            else:
                due_s = time.monotonic() + pause_s
                self._wishes[key] = replace(wish, failures=failures, due_s=due_s)
        return pause_s

    def _order(self, wish: _Wish) -> Order:
        def progress(phase: str, share: float) -> None:
            self._tell.progress(wish.model.id, phase, share)

        return Order(wish.model, wish.backend, progress=progress, stop=self._stop)
