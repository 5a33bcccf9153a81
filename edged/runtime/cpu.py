"""A recipe's model on the CPU: its prepared graph in FP32, made in memory, proven and run.

Knows recipes and prepared graphs; :class:`edged.runtime.onnx.OnnxSession` runs them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edged.recipe import Recipe
from edged.runtime.graph.load import prepared_bytes
from edged.runtime.graph.proof import draw_feeds, prove_batch
from edged.runtime.onnx import OnnxSession
from edged.runtime.session import Meter

log = logging.getLogger(__name__)

TOGETHER_UP_TO_BYTES = 32 * 1024**2
"""Files up to this size take faces together.  A large network keeps a CPU busy with one face
(a batch of four takes four times as long), and proving it would take seconds at every start."""

_PROOF_FACES = 2
_DETECTORS = frozenset({"scrfd", "yunet"})


@contextmanager
def open_on_cpu(
    path: Path, recipe: Recipe, *, threads: int = 0, meter: Meter | None = None
) -> Iterator[OnnxSession]:
    """The entered session of a public model file.

    Faces go through together only where that was just seen to keep them apart.

    Args:
        path: the public file.
        recipe: its recipe.
        threads: intra-op threads, 0 leaves it to the runtime.
        meter: counts the time inside `run`.

    Raises:
        ModelError: the file is absent, or not what its recipe says.
        EngineError: onnxruntime is absent or fails.
    """

    def session(*, batched: bool) -> OnnxSession:
        graph = prepared_bytes(path, recipe, batched=batched)
        return OnnxSession(graph, model_id=recipe.id, threads=threads, meter=meter)

    if path.is_file() and path.stat().st_size <= TOGETHER_UP_TO_BYTES:
        with session(batched=True) as together:
            if _apart(together, recipe):
                yield together
                return
        log.warning("model %s mixes faces up in a batch; it is run face by face", recipe.id)
    with session(batched=False) as alone:
        yield alone


def _apart(session: OnnxSession, recipe: Recipe) -> bool:
    """Whether faces keep apart; a detector takes one picture and has none to mix up."""
    if recipe.family in _DETECTORS:
        return True
    return prove_batch(session, draw_feeds(session, _PROOF_FACES)).ok
