"""Ranges of a live pipeline on disk: one number a tensor, and what they were measured on.

One JSON file a model, `calibration/ranges/<recipe>.json` in the state folder, written by
the engine at the end of `edged calibrate live` and read by `edged calibrate precision`.
Like a plan it is worth something for one model file and one prepared graph only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from edged.errors import ConfigError, OperatorError
from edged.fresh_file import write_fresh
from edged.recipe import ModelId, Sha256
from edged.runtime.precision.ranges import Ranges

MAX_FILE_BYTES = 16 * 1024**2
"""A graph of 20 000 tensors takes less than two."""

Peak = Annotated[float, msgspec.Meta(ge=0.0)]


class RangeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file.

    Attributes:
        recipe: id of the model's recipe.
        model_sha256: of the model file.
        structure_digest: of the prepared FP32 graph.
        crops: how many were seen.
        date: ISO 8601 day, UTC.
        peaks: largest |x| by tensor.
    """

    recipe: ModelId
    model_sha256: Sha256
    structure_digest: Sha256
    crops: Annotated[int, msgspec.Meta(ge=1)]
    date: str
    peaks: dict[str, Peak]

    @property
    def ranges(self) -> Ranges:
        """As the search takes them."""
        return Ranges(self.peaks, self.crops)


def path_of(recipe_id: str, site: Path) -> Path:
    """Where the ranges of a model lie.

    Args:
        recipe_id: of the model.
        site: `calibration` folder of the state folder.
    """
    return site / "ranges" / f"{recipe_id}.json"


def write_ranges(file: RangeFile, path: Path) -> None:
    """Write the file whole or not at all.

    Raises:
        OperatorError: the folder cannot be written.
    """
    try:
        data = msgspec.json.encode(file, order="sorted")
        write_fresh(path, msgspec.json.format(data, indent=1))
    except OSError as error:
        raise OperatorError(
            f"{path}: the measured ranges cannot be written: {error.strerror}; "
            "correct the folder's owner and space"
        ) from error


def read_ranges(path: Path) -> RangeFile | None:
    """What was measured; None where nothing was.

    Raises:
        ConfigError: the file is not of this form.
        OperatorError: it cannot be read.
    """
    cure = "delete it, or measure again: edged calibrate live"
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror}); {cure}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: more than {MAX_FILE_BYTES} bytes are no ranges; {cure}")
    try:
        return msgspec.json.decode(raw, type=RangeFile)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; {cure}") from error
