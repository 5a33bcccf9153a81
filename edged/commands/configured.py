"""The configuration that a command measures with: the file, or what `config init` writes."""

from __future__ import annotations

from pathlib import Path

from edged.config import Config, default_path, load, loads
from edged.config.starter import starter


def configured(path: Path | None) -> tuple[Config, str]:
    """The configuration and, for a person, where it came from.

    Args:
        path: as named; None for the usual places, and for the built-in models where there
            is no file.

    Raises:
        ConfigError: it was named and is not there, or has errors.
    """
    at = path or default_path()
    if path is None and not at.exists():
        return loads(starter("booth-1"), at), "no configuration: the built-in models"
    return load(at), str(at)
