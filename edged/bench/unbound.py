"""The CUDA provider without bound buffers: what IOBinding is measured against.

onnxruntime allocates, copies in and copies out in every run, as it does for who calls it
plainly.  Never a runtime of the daemon's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from edged.faces import Tensor
from edged.runtime.cuda import CudaSession
from edged.runtime.ort import plain_run
from edged.runtime.session import Feeds, OnHost


class UnboundCuda(OnHost, CudaSession):
    """See :class:`edged.runtime.cuda.CudaSession`; its settings must not ask for graphs."""

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """See :class:`edged.runtime.session.Session`."""
        session = self._ready()
        start = time.perf_counter_ns()
        out = plain_run(session, self.outputs, feeds)
        self._meter.add(time.perf_counter_ns() - start)
        return out
