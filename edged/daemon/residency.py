"""Where each frame is worked on: the device that the models run on, or host memory.

A frame stays on the device while the swapper's runtime can hold it; when engines are
switched while the daemon serves, this follows.  Knows which runtimes can hold frames;
knows no pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol

from edged.errors import EdgedError, EngineError
from edged.faces import Image
from edged.recipe import Recipe
from edged.runtime.graph.picture import LARGEST_PX
from edged.runtime.session import Session
from edged.runtime.switching import SwitchingSession
from edged.stages.easel import HostPicture, Picture
from edged.stages.resident import easel_on
from edged.stages.resident_bench import Bench
from edged.stages.resident_trial import open_bench

log = logging.getLogger(__name__)


class Shelf(Protocol):
    """Where a runtime's picture graphs come from."""

    @property
    def largest_px(self) -> int:
        """Side of a frame that they take."""
        ...

    def missing(self) -> str:
        """Why nothing can be opened yet, for people; empty when it can."""
        ...

    def wait(self) -> None:
        """Until nothing more is under way that would change that."""
        ...

    def __call__(self, name: str, graph: bytes) -> Session:
        """A session, not yet entered, of a graph: its name, the ONNX file's bytes."""
        ...


@dataclass(frozen=True)
class AsTheyAre:
    """A shelf for runtimes that take a graph as it is."""

    opened: Callable[[str, bytes], Session]
    largest_px: int = LARGEST_PX

    def missing(self) -> str:
        """Nothing is."""
        return ""

    def wait(self) -> None:
        """Nothing is under way."""

    def __call__(self, name: str, graph: bytes) -> Session:
        """See :class:`Shelf`."""
        return self.opened(name, graph)


class Residency:
    """An easel (see :data:`edged.stages.easel.Easel`) that goes where the models are.

    Made, used and left on the thread that runs the sessions.

    Args:
        wish: `runtime.resident` of the configuration.
        served: the runtime that serves a model now, by model id.
        recipes: of the models in use.
        heart: id of the swapper.
        shelf_of: the shelf of a runtime, None for one that cannot hold frames.
    """

    def __init__(
        self,
        wish: Literal["auto", "on", "off"],
        served: Callable[[str], str],
        recipes: Mapping[str, Recipe],
        heart: str,
        shelf_of: Callable[[str], Shelf | None],
    ) -> None:
        self._wish = wish
        self._served = served
        self._recipes = recipes
        self._heart = heart
        self._shelf_of = shelf_of
        self._shelf: Shelf | None = None
        self._runtime = ""
        self._bench: Bench | None = None
        self._sessions: list[SwitchingSession] = []
        self._open = ExitStack()
        self.reason = ""
        """Why frames are in host memory, for people; empty while they are on a device."""

    def __enter__(self) -> Residency:  # noqa: PYI034 - Self needs 3.11
        """Open what the models' runtime needs.

        Raises:
            EngineError: frames must stay on the device and cannot.
        """
        self._follow()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self._bench = None
        self._open.close()

    def __call__(self, image: Image) -> Picture:
        """Put up a picture where it is worked on best."""
        self._follow()
        return HostPicture(image) if self._bench is None else easel_on(self._bench)(image)

    @property
    def runtime(self) -> str:
        """The runtime whose device frames stay on; empty for host memory."""
        return self._runtime if self._bench is not None else ""

    def _follow(self) -> None:
        """Go to the runtime that serves now, once it is another one or has come to be ready."""
        self._leave_what_fails()
        runtime = self._served(self._heart)
        if runtime == self._runtime and not self._ready():
            return
        self._bench = None
        self._sessions.clear()
        self._open.close()
        self._runtime, self._shelf = runtime, None
        try:
            with ExitStack() as stack:
                self._bench = self._opened(runtime, stack)
                self._open = stack.pop_all()
        except EdgedError as error:
            self.reason = str(error)
            if self._wish == "on":
                raise
            log.warning("frames stay in host memory: %s", error)
        if self._bench is not None:
            self.reason = ""
            log.info("frames stay on the device, by %s", runtime)

    def _ready(self) -> bool:
        """Whether graphs that were waited for can be opened by now."""
        if self._shelf is None:
            return False
        self.reason = self._shelf.missing()
        return not self.reason

    def _opened(self, runtime: str, stack: ExitStack) -> Bench | None:
        """The picture graphs on a runtime, None where frames are not to be there."""
        if self._wish == "off":
            self.reason = 'runtime.resident = "off"'
            return None
        if runtime == "cpu" and self._wish == "auto":
            self.reason = "models run on the CPU"
            return None
        shelf = self._shelf_of(runtime)
        if shelf is None:
            self.reason = f"runtime {runtime} does not hold frames"
            self._refuse()
            return None
        if self._wish == "on":
            shelf.wait()
        self.reason = shelf.missing()
        if self.reason:
            self._shelf = shelf
            log.info("frames stay in host memory: %s", self.reason)
            self._refuse()
            return None

        def resident(model_id: str) -> bool:
            return self._recipes[model_id].graph.resident and self._served(model_id) == runtime

        def entered(name: str, graph: bytes) -> Session:
            session = stack.enter_context(SwitchingSession(name))  # opens it anew when it fails
            session.switch(lambda inner: inner.enter_context(shelf(name, graph)))
            self._sessions.append(session)
            return session

        return open_bench(entered, resident, shelf.largest_px)

    def _leave_what_fails(self) -> None:
        """Work in host memory from now on, when a graph on the device cannot be opened anew.

        Raises:
            EngineError: frames must stay on the device.
        """
        failing = [one.model_id for one in self._sessions if one.revival.hopeless]
        if self._bench is None or not failing:
            return
        self._bench = None
        self._sessions.clear()
        self._open.close()
        self.reason = f"its graph {failing[0]} failed again and again"
        log.error("frames go to host memory: %s", self.reason)
        self._refuse()

    def _refuse(self) -> None:
        """Raises EngineError where frames must stay on the device."""
        if self._wish == "on":
            msg = f'frames cannot stay on the device: {self.reason}; set runtime.resident = "auto"'
            raise EngineError(msg)
