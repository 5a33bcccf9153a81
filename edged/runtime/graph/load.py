"""A recipe's model file, prepared.

Knows how a file is read and what is refused before its weights are; knows recipes.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from edged.errors import ModelError
from edged.recipe import Recipe
from edged.runtime.graph.prepare import Prepared, prepare_owned

LARGEST_BYTES = 2**31 - 1
"""A protobuf message, which an ONNX file is, ends here."""


def load_prepared(path: Path, recipe: Recipe, *, batched: bool = True) -> Prepared:
    """Read a model file and prepare its graph.

    Args:
        path: the public file.
        recipe: family and contract.
        batched: see :func:`edged.runtime.graph.prepare.prepare_owned`.

    Raises:
        ModelError: it is absent, no ONNX, too large, or not what the recipe says.
    """
    return prepare_owned(
        read_model(path, recipe.id),
        model_id=recipe.id,
        family=recipe.family,
        contract=recipe.contract,
        batched=batched,
    )


def prepared_bytes(path: Path, recipe: Recipe, *, batched: bool = True) -> bytes:
    """The prepared graph as a runtime loads it from memory; see :func:`load_prepared`."""
    return bytes(load_prepared(path, recipe, batched=batched).model.SerializeToString())


def read_model(path: Path, model_id: str) -> onnx.ModelProto:
    """The file as it is.

    Raises:
        ModelError: it is absent, no ONNX or too large.
    """
    if not path.is_file():
        msg = (
            f"model {model_id}: {path.name} is not in the model folder; "
            f"run: edged models pull {model_id}"
        )
        raise ModelError(msg)
    if path.stat().st_size > LARGEST_BYTES:
        msg = f"model {model_id}: {path.name} is larger than 2 GiB, which no ONNX file is"
        raise ModelError(msg)
    try:
        return onnx.load(str(path), load_external_data=False)
    except Exception as error:
        msg = f"model {model_id}: {path.name} is no ONNX file; run: edged models verify"
        raise ModelError(msg) from error
