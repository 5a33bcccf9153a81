"""Runs faces through a prepared graph: together as far as it goes, else one after another.

Knows arrays and the session protocol only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edged.errors import EngineError
from edged.faces import Floats, Image, Tensor
from edged.runtime.session import Session


def run_faces(
    session: Session,
    faces: Mapping[str, Tensor],
    rest: Mapping[str, Tensor],
    most: int,
) -> dict[str, Tensor]:
    """All outputs by name, one entry a face.

    Args:
        session: entered; a graph fixed at one face is run once a face.
        faces: inputs with one entry a face, one face at least.
        rest: inputs that are the same for all.
        most: faces in one run; 0 for any number.

    Returns:
        Arrays of their own: the session may use its output memory again.
    """
    count = len(next(iter(faces.values())))
    step = 1 if session.inputs[0].shape[0] == 1 else most or count
    names = [spec.name for spec in session.outputs]
    parts: list[list[Tensor]] = []
    for first in range(0, count, step):
        feeds = {name: value[first : first + step] for name, value in faces.items()}
        parts.append([np.array(out) for out in session.run({**feeds, **rest})])
    if len(parts) == 1:
        return dict(zip(names, parts[0], strict=True))
    return {
        name: np.concatenate(runs)
        for name, runs in zip(names, zip(*parts, strict=True), strict=True)
    }


def whole_crops(session: Session, made: Tensor, checks: Tensor, like: Image) -> Image:
    """Crops that a network made, if they are what was asked for.

    Args:
        session: for the message.
        made: (n, S, S, 3) uint8 BGR.
        checks: (n,) float32, finite where every number of a face was.
        like: crops of the same extents.

    Raises:
        EngineError: another shape, or numbers that were not finite (FP16 overflow shows so).
    """
    if made.shape != like.shape or made.dtype != np.uint8 or checks.shape != like.shape[:1]:
        msg = f"model {session.model_id} gave shape {made.shape}, not {like.shape}"
        raise EngineError(msg)
    require_finite(session, checks)
    return np.asarray(made, np.uint8)


def require_finite(session: Session, checks: Floats | Tensor) -> None:
    """Refuse what a network gave, if any of it was not a number.

    Raises:
        EngineError: likewise.
    """
    if not np.isfinite(checks).all():
        msg = f"model {session.model_id} gave values that are not finite"
        raise EngineError(msg)
