"""What is configured here, read as far as it can be.

A machine without a configuration is looked at as `edged config init` would set it up; one
whose file has errors gets these as findings, and what asks the configuration is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edged.config import Config, default_path, load, loads
from edged.config.starter import starter
from edged.errors import ConfigError

State = Literal["valid", "absent", "invalid"]


@dataclass(frozen=True)
class Setup:
    """The configuration, and how it was come by.

    Attributes:
        path: of the file, there or not.
        state: "valid", "absent" (the defaults are looked at) or "invalid".
        config: in force; the defaults unless `state` is "valid".
        problems: of an invalid file, one line each.
    """

    path: Path
    state: State
    config: Config
    problems: tuple[str, ...] = ()

    @property
    def wish(self) -> str:
        """The runtime that the configuration asks for, or ""."""
        return self.config.runtime.require or self.config.runtime.prefer

    @property
    def state_folder(self) -> Path:
        """Where models, engines and outbox are kept."""
        return self.config.models.folder.parent


def read_setup(path: Path | None) -> Setup:
    """The configuration of a file, or of the usual places when None.

    A file that was named and is not there is an invalid one, not an absent one.
    """
    at = path or default_path()
    defaults = loads(starter("booth-1"), at)
    if path is None and not at.exists():
        return Setup(at, "absent", defaults)
    try:
        return Setup(at, "valid", load(at))
    except ConfigError as error:
        return Setup(at, "invalid", defaults, error.problems)
