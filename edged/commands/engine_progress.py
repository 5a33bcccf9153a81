"""Progress of builds on stderr: bars on a terminal, a line a phase elsewhere.

A build of ten minutes is never silent: where there is no terminal a line comes at least
twice a minute.  Knows rich; knows no engines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

Told = Callable[[str, float], None]
Begin = Callable[[str], AbstractContextManager[Told]]

_LINE_EVERY_S = 30.0
_SHORT_S = 1.0
"""A phase that begins sooner after a line gets its own with the next word about it."""

_PHASE_CHARS = 24


@contextmanager
def shown_progress(console: Console, total: int) -> Iterator[Begin]:
    """Gives `begin(model)`, a context that gives the progress callback of its build."""
    if not console.is_terminal:
        yield lambda name: _lines(console, name)
        return
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[phase]}", markup=False),
        BarColumn(bar_width=20),
        _Clock(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield lambda name: _bar(bars, name, total)


class _Clock(ProgressColumn):
    """How long the model takes so far, and what is left of the phase where that is known."""

    def render(self, task: Task) -> Text:
        """The two times."""
        taken_s = int((task.fields["end_s"] or time.monotonic()) - task.fields["start_s"])
        left_s = None if task.finished else task.time_remaining
        left = "" if left_s is None else f", {timedelta(seconds=int(left_s))} left"
        return Text(f"{timedelta(seconds=taken_s)}{left}")


@contextmanager
def _bar(bars: Progress, name: str, total: int) -> Iterator[Told]:
    """One model's bar; it begins again at each phase, because only those are measured."""
    number = len(bars.task_ids) + 1
    head = f"{name} ({number} of {total})" if total > 1 else name
    task = bars.add_task(
        head, total=None, phase=" " * _PHASE_CHARS, start_s=time.monotonic(), end_s=0.0
    )
    last = ""

    def tell(phase: str, share: float) -> None:
        nonlocal last
        if phase != last:
            bars.reset(task, total=None)
            bars.update(task, phase=f"{phase:<{_PHASE_CHARS}}")
            last = phase
        if share > 0:
            bars.update(task, total=1.0, completed=share)

    ended = "failed"
    try:
        yield tell
        ended = "done"
    finally:
        bars.update(
            task, total=1, completed=1, phase=f"{ended:<{_PHASE_CHARS}}", end_s=time.monotonic()
        )


@contextmanager
def _lines(console: Console, name: str) -> Iterator[Told]:
    """A line a phase, and one at least every half a minute."""
    begun, last, said_s = time.monotonic(), "", -_LINE_EVERY_S

    def tell(phase: str, share: float) -> None:
        nonlocal last, said_s
        now = time.monotonic()
        if now - said_s < (_LINE_EVERY_S if phase == last else _SHORT_S):
            return
        last, said_s = phase, now
        done = f", {share:.0%}" if share > 0 else ""
        console.print(f"{name}: {phase}{done} ({now - begun:.0f} s)", markup=False, soft_wrap=True)

    yield tell
