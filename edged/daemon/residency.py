"""Where each frame is worked on: the device that the models run on, or host memory.

A frame stays on the device while the swapper's runtime can hold it; when engines are
switched while the daemon serves, this follows.  Knows which runtimes can hold frames;
knows no pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Literal

from edged.errors import EdgedError, EngineError
from edged.faces import Image
from edged.recipe import Recipe
from edged.runtime.session import Session
from edged.stages.easel import HostPicture, Picture
from edged.stages.resident import Bench
from edged.stages.resident_trial import open_bench

log = logging.getLogger(__name__)

Opener = Callable[[str, bytes], Session]
"""A session of a picture graph, not yet entered: a name for messages, the ONNX file's bytes."""


class Residency:
    """An easel (see :data:`edged.stages.easel.Easel`) that goes where the models are.

    Made, used and left on the thread that runs the sessions.

    Args:
        wish: `runtime.resident` of the configuration.
        served: the runtime that serves a model now, by model id.
        recipes: of the models in use.
        heart: id of the swapper.
        openers: by runtime, those that can hold frames.
    """

    def __init__(
        self,
        wish: Literal["auto", "on", "off"],
        served: Callable[[str], str],
        recipes: Mapping[str, Recipe],
        heart: str,
        openers: Mapping[str, Opener],
    ) -> None:
        self._wish = wish
        self._served = served
        self._recipes = recipes
        self._heart = heart
        self._openers = openers
        self._runtime = ""
        self._bench: Bench | None = None
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
        return HostPicture(image) if self._bench is None else self._bench(image)

    @property
    def runtime(self) -> str:
        """The runtime whose device frames stay on; empty for host memory."""
        return self._runtime if self._bench is not None else ""

    def _follow(self) -> None:
        """Go to the runtime that serves now, once it is another one."""
        runtime = self._served(self._heart)
        if runtime == self._runtime:
            return
        self._bench = None
        self._open.close()
        self._runtime = runtime
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

    def _opened(self, runtime: str, stack: ExitStack) -> Bench | None:
        """The picture graphs on a runtime, None where frames are not to be there."""
        if self._wish == "off":
            self.reason = 'runtime.resident = "off"'
            return None
        if runtime == "cpu" and self._wish == "auto":
            self.reason = "models run on the CPU"
            return None
        if runtime not in self._openers:
            msg = f'runtime {runtime} does not hold frames yet; set runtime.resident = "auto"'
            if self._wish == "on":
                raise EngineError(msg)
            self.reason = msg
            return None
        opener = self._openers[runtime]

        def resident(model_id: str) -> bool:
            return self._recipes[model_id].graph.resident and self._served(model_id) == runtime

        return open_bench(lambda name, graph: stack.enter_context(opener(name, graph)), resident)
