"""A network of the real size beside a small one that answers in its place.

What random weights make of a face is no face: the guard would fill it and look again, and
the frame would cost what no real one costs.  So both run on the same feeds, and the small
stand-in's answer is taken; it costs a few per cent.  Knows sessions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from edged.faces import Tensor
from edged.runtime.session import DeviceArray, Feeds, Session, TensorSpec


class Paired:
    """See :class:`edged.runtime.session.Session`.

    Args:
        answering: entered session whose answers count.
        costly: entered session over a graph with the same inputs, run before it.
    """

    def __init__(self, answering: Session, costly: Session) -> None:
        self.model_id = answering.model_id
        self._answering = answering
        self._costly = costly

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """Those of both."""
        return self._answering.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """Those of both."""
        return self._answering.outputs

    def __enter__(self) -> Paired:  # noqa: PYI034 - Self needs 3.11
        """Both are entered by who made them."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Both are left by who made them."""

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """Run both."""
        self._costly.run(feeds)
        return self._answering.run(feeds)

    def run_resident(self, feeds: Feeds) -> Sequence[DeviceArray]:
        """Run both, one after the other on the device."""
        self._costly.run_resident(feeds)
        return self._answering.run_resident(feeds)

    def upload(self, array: Tensor) -> DeviceArray:
        """For either."""
        return self._answering.upload(array)

    def download(self, array: DeviceArray, into: Tensor | None = None) -> Tensor:
        """Waits for both."""
        return self._answering.download(array, into)
