"""A session whose inner one can be replaced while the daemon serves.

The newcomer is opened and the old one closed on the thread that owns sessions, between two
frames; a newcomer that fails leaves the old one where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType

from edged.errors import EngineError
from edged.faces import Tensor
from edged.runtime.session import DeviceArray, Feeds, Session, TensorSpec

Opener = Callable[[ExitStack], Session]
"""Opens a session; what it needs is closed by the stack."""

Listener = Callable[[Feeds, Session], None]
"""Shown what a run is fed with, before it, on the thread that runs; must be quick and keep
nothing of it but copies.  The session is the one that runs: it can download."""


class SwitchingSession:
    """Stands for whichever session serves a model at the moment.

    See :class:`edged.runtime.session.Session`.

    Args:
        model_id: for messages.

    Attributes:
        listener: shown every run; None, as almost always: nobody is.
    """

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id
        self.listener: Listener | None = None
        self._session: Session | None = None
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
        """Of the session that serves."""
        return self.inner.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """Of the session that serves."""
        return self.inner.outputs

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
        old.close()

    def _same_tensors(self, newcomer: Session) -> None:
        """Raises EngineError when stages would have to feed it otherwise."""
        if self._session is None:
            return
        for ours, theirs in (
            (self._session.inputs, newcomer.inputs),
            (self._session.outputs, newcomer.outputs),
        ):
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
        self._session = None
        self._stack.close()

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """See :class:`edged.runtime.session.Session`."""
        self._show(feeds)
        return self.inner.run(feeds)

    def run_resident(self, feeds: Feeds) -> Sequence[DeviceArray]:
        """See :class:`edged.runtime.session.Session`."""
        self._show(feeds)
        return self.inner.run_resident(feeds)

    def upload(self, array: Tensor) -> DeviceArray:
        """See :class:`edged.runtime.session.Session`."""
        return self.inner.upload(array)

    def download(self, array: DeviceArray, into: Tensor | None = None) -> Tensor:
        """See :class:`edged.runtime.session.Session`."""
        return self.inner.download(array, into)

    def _show(self, feeds: Feeds) -> None:
        listener = self.listener  # another thread may take it away at any time
        if listener is not None:
            listener(feeds, self.inner)
