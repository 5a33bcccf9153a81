"""Where an installation keeps stored pictures and their keys, and which files they are.

The outbox lies in `/var/lib/edged` unless the configuration says otherwise, such as for a disk
of its own.  Knows paths; reads the configuration; removes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from edged import tables
from edged.errors import ConfigError

_KEYS = {"outbox.keys": "keys of stored pictures", "receipt.key": "key of receipts"}
_SET_ASIDE = "*.key*.damaged-*"
_FILES = ("outbox.*", "receipt.key*", "lock")
"""By name: a folder that an operator chose may hold other things, too."""


def configured_outbox(config: Path, state: Path) -> Path:
    """Folder of the outbox according to a configuration; without one, the units' own.

    Args:
        config: file of the configuration.
        state: folder that a relative path starts from.

    Raises:
        ConfigError: the file does not say it in a way that can be read.
    """
    try:
        if not config.exists():
            return state / "outbox"
        folder = tables.read(config).get("outbox", {}).get("folder", "outbox")
        return Path(os.path.normpath(state / Path(folder).expanduser()))
    except (ConfigError, OSError, AttributeError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f"{config}: it does not tell where the outbox lies ({error}), so its keys would stay; "
            "run it as root, or mend the file"
        ) from error


def keys_of(outbox: Path) -> list[tuple[Path, str]]:
    """Files of keys, whether they are there or not, and what they are; those set aside, too."""
    aside = [(path, "keys that were set aside") for path in sorted(outbox.glob(_SET_ASIDE))]
    return [*((outbox / name, what) for name, what in _KEYS.items()), *aside]


def files_of(outbox: Path) -> list[Path]:
    """All files of an outbox that are there; a folder beside them is none of them."""
    found = {path for pattern in _FILES for path in outbox.glob(pattern)}
    return sorted(path for path in found if path.is_symlink() or not path.is_dir())
