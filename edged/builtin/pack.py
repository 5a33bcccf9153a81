"""Writes the built-in pack's ONNX files.

Knows the three builders and how to put a file in place atomically.  Knows no recipes.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import onnx

from edged.builtin import recogniser, restorer, swapper

PACK_VERSION = "3"
"""Changes whenever the files' bytes do; part of their provenance."""

_BUILDERS = {
    "builtin_recogniser": recogniser.build,
    "builtin_swapper": swapper.build,
    "builtin_restorer": restorer.build,
}


def pack_bytes(name: str) -> bytes:
    """The file called `name`, the same bytes each time.

    Raises:
        KeyError: the pack has no such file.
    """
    model: onnx.ModelProto = _BUILDERS[name]()
    return bytes(model.SerializeToString(deterministic=True))


def write_pack(folder: Path) -> dict[str, Path]:
    """Write the pack's files into a folder, which is made if need be.

    Returns:
        Path of each file by its name without the suffix.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name in _BUILDERS:
        path = folder / f"{name}.onnx"
        handle, part = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(pack_bytes(name))
                file.flush()
                os.fsync(file.fileno())
            Path(part).chmod(0o644)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
        written[name] = path
    return written
