"""TensorRT's nested build phases made into one phase and its share.

TensorRT tells of phases inside phases, each with a number of steps; a person wants one
name and one bar.  The name is the outermost phase's, the share counts what is done inside
its current step.  Knows nothing of TensorRT but the three methods of its monitor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edged.runtime.backend import BuildProgress


@dataclass
class _Phase:
    name: str
    steps: int
    done: int = 0


class Phases:
    """Open phases, outermost first.

    Args:
        tell: called with the outermost phase's name and its share, 0 to 1; what it raises
            stops the build and is kept in :attr:`raised`.
    """

    def __init__(self, tell: BuildProgress) -> None:
        self._tell = tell
        self._open: list[_Phase] = []
        self.raised: BaseException | None = None

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins; one without a parent is the outermost."""
        if not parent:
            self._open.clear()
        self._open.append(_Phase(name, max(1, steps)))
        self._say()

    def step(self, name: str, step: int) -> bool:
        """A step is done; False asks TensorRT to stop."""
        for phase in self._open:
            if phase.name == name:
                phase.done = max(phase.done, step + 1)
        self._say()
        return self.raised is None

    def finish(self, name: str) -> None:
        """A phase ends, with all that is open inside it."""
        for depth, phase in enumerate(self._open):
            if phase.name == name:
                phase.done = phase.steps
                del self._open[depth + 1 :]
                self._say()
                del self._open[depth:]
                return

    def share(self) -> float:
        """What is done of the outermost phase, 0 to 1."""
        share = 0.0
        for phase in reversed(self._open):
            share = min(1.0, (phase.done + share) / phase.steps)
        return share

    def _say(self) -> None:
        if not self._open or self.raised is not None:
            return
        try:
            self._tell(self._open[0].name, self.share())
        except BaseException as error:  # noqa: BLE001 - must not unwind through C++
            self.raised = error


def make_monitor(base: Any, phases: Phases) -> Any:
    """A monitor of TensorRT's class `base` that passes everything on."""

    class Monitor(base):  # type: ignore[misc] # known only at run time
        """Three methods that TensorRT calls, from any thread."""

        def __init__(self) -> None:
            base.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            """See TensorRT."""
            phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            """See TensorRT."""
            return phases.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            """See TensorRT."""
            phases.finish(phase_name)

    return Monitor()
