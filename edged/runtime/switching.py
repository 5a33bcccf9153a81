"""A session whose inner one can be replaced while the daemon serves.

The newcomer is opened and the old one closed on the thread that owns sessions, between two
frames; a newcomer that fails leaves the old one where it is.  One that fails while it serves
is closed and opened anew, as :mod:`edged.runtime.revival` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TypeVar

import numpy as np

from edged.errors import EdgedError, EngineError
from edged.faces import Tensor
from edged.runtime.failures import ExhaustedError
from edged.runtime.revival import Revival
from edged.runtime.session import DeviceArray, Feeds, Session, TensorSpec

Opener = Callable[[ExitStack], Session]
"""Opens a session; what it needs is closed by the stack."""

Listener = Callable[[Feeds, Session], None]
"""Shown what a run is fed with, before it, on the thread that runs; must be quick and keep
nothing of it but copies.  The session is the one that runs: it can download."""

Told = Callable[[str], None]
"""Told "down" when a session was closed for failing, and "up" when its successor has run."""

R = TypeVar("R")


class SwitchingSession:
    """Stands for whichever session serves a model at the moment.

    See :class:`edged.runtime.session.Session`.

    Args:
        model_id: for messages.
        told: of failures and recovery, on the thread that runs.
        revival: when a failing session is opened anew.

    Attributes:
        listener: shown every run; None, as almost always: nobody is.
        revival: how it does.
    """

    def __init__(
        self, model_id: str, told: Told = lambda _: None, revival: Revival | None = None
    ) -> None:
        self.model_id = model_id
        self.listener: Listener | None = None
        self.revival = revival or Revival()
        self._told = told
        self._session: Session | None = None
        self._opener: Opener | None = None
        self._specs: tuple[Sequence[TensorSpec], Sequence[TensorSpec]] = ((), ())
        self._stack = ExitStack()

    @property
    def inner(self) -> Session:
        """The session that serves.

        Raises:
            EngineError: none does.
        """
        if self._session is None:
            raise EngineError(f"model {self.model_id} is not loaded; switch to a session first")
        return self._session

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """Of the session that serves; while it is opened anew, as they were."""
        return self._specs[0] or self.inner.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """Likewise."""
        return self._specs[1] or self.inner.outputs

    def switch(self, opener: Opener) -> None:
        """Open a session, then put it in the place of the one that serves and close that.

        Raises:
            EdgedError: it cannot be opened, or its tensors are others; nothing is changed.
        """
        with ExitStack() as stack:
            newcomer = opener(stack)
            self._same_tensors(newcomer)
            old, self._stack = self._stack, stack.pop_all()
            self._session = newcomer
        self._opener = opener
        self._specs = (tuple(newcomer.inputs), tuple(newcomer.outputs))
        self.revival.begin()
        old.close()

    def _same_tensors(self, newcomer: Session) -> None:
        """Raises EngineError when stages would have to feed it otherwise."""
        if self._opener is None:
            return
        for ours, theirs in zip(self._specs, (newcomer.inputs, newcomer.outputs), strict=True):
            if [(s.name, s.dtype) for s in ours] != [(s.name, s.dtype) for s in theirs]:
                raise EngineError(f"model {self.model_id}: its new engine has other tensors")

    def __enter__(self) -> SwitchingSession:  # noqa: PYI034 - Self needs 3.11
        """Nothing: :meth:`switch` opens."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session that serves."""
        self._session = self._opener = None
        self._stack.close()

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """See :class:`edged.runtime.session.Session`.

        Where memory ran out, it is tried once more on a new session: feeds in host memory
        are as they were.
        """
        again = all(isinstance(array, np.ndarray) for array in feeds.values())
        return self._try(lambda session: session.run(feeds), feeds, again=again)

    def run_resident(self, feeds: Feeds) -> Sequence[DeviceArray]:
        """See :class:`edged.runtime.session.Session`."""
        return self._try(lambda session: session.run_resident(feeds), feeds)

    def upload(self, array: Tensor) -> DeviceArray:
        """See :class:`edged.runtime.session.Session`."""
        return self._try(lambda session: session.upload(array))

    def download(self, array: DeviceArray, into: Tensor | None = None) -> Tensor:
        """See :class:`edged.runtime.session.Session`."""
        return self._try(lambda session: session.download(array, into))

    # -- failing and coming back ------------------------------------------------------

    def _try(
        self, work: Callable[[Session], R], feeds: Feeds | None = None, *, again: bool = False
    ) -> R:
        """Do something with the session that serves, opened anew if it was closed.

        Raises:
            EngineError: it failed, or waits to be opened anew.
        """
        self._revive()
        if feeds is not None:
            self._show(feeds)
        try:
            done = work(self.inner)
        except EngineError as error:
            again = again and isinstance(error, ExhaustedError) and not self.revival.openings
            if not self._failed(error) or not again:
                raise
        else:
            # What was moved says little of whether the network runs.
            if feeds is not None and self.revival.worked():
                self._told("up")
            return done
        # Out of the handler: while an error lives, its frames keep the old session's memory.
        return self._try(work, feeds)

    def _failed(self, error: EngineError) -> bool:
        """Close the session when that is due; whether it was."""
        if not self.revival.failed(error):
            return False
        self._session = None
        self._stack.close()
        self._stack = ExitStack()
        self._told("down")
        return True

    def _revive(self) -> None:
        """Open the session anew, if it was closed for failing and its pause is over.

        Raises:
            EngineError: it is not, or it does not open.
        """
        if self._session is not None or self._opener is None:
            return
        if self.revival.hopeless or self.revival.wait_s > 0:
            raise EngineError(f"model {self.model_id} failed before and waits to be opened anew")
        self.revival.opening()
        try:
            with ExitStack() as stack:
                newcomer = self._opener(stack)
                self._same_tensors(newcomer)
                self._stack, self._session = stack.pop_all(), newcomer
        except EdgedError as error:
            failure = error if isinstance(error, EngineError) else EngineError(str(error))
            self.revival.not_opened(failure)
            self._told("down")
            raise failure from None

    def _show(self, feeds: Feeds) -> None:
        listener = self.listener  # another thread may take it away at any time
        if listener is not None:
            listener(feeds, self.inner)
