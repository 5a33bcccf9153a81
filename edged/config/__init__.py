"""Loads `edged.toml`: frozen, complete, absolute paths, or every error at once.

Knows where the file and the state folder are.  Read by commands and the daemon alone;
stages and transport take their own structs from it and never see it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from edged import tables
from edged.config.facts import missing_files, warnings
from edged.config.rules import check
from edged.config.schema import (
    BUILTIN_PHOTO,
    UNDERSTOOD,
    BrokerTable,
    CameraTable,
    Config,
    IdentityTable,
    LanTable,
    ModelsTable,
    RuntimeTable,
)
from edged.errors import ConfigError
from edged.transport.link import TlsSettings, is_loopback

__all__ = [
    "BUILTIN_PHOTO",
    "UNDERSTOOD",
    "BrokerTable",
    "CameraTable",
    "Config",
    "IdentityTable",
    "LanTable",
    "ModelsTable",
    "RuntimeTable",
    "default_path",
    "is_loopback",
    "load",
    "loads",
    "missing_files",
    "state_folder",
    "warnings",
]

SYSTEM_PATH = Path("/etc/edged/edged.toml")


def default_path() -> Path:
    """Where the configuration is when nobody says: `$EDGED_CONFIG`, here, or /etc."""
    named = os.environ.get("EDGED_CONFIG")
    if named:
        return Path(named)
    here = Path("edged.toml")
    return here if here.exists() or not SYSTEM_PATH.exists() else SYSTEM_PATH


def state_folder() -> Path:
    """Where models and outbox are when nobody says.

    systemd's `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/edged`, else
    `~/.local/state/edged`.
    """
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "edged"


def load(path: Path) -> Config:
    """The configuration in a file.

    Relative paths in it start from its folder.  That the files it names exist is not
    checked here, because each process may read only its own: see `missing_files`.

    Raises:
        ConfigError: with every problem of the file, each `file: path = value: reason`.
    """
    if not path.exists():
        raise ConfigError(
            f"{path}: there is no such file; write one with `edged config init {path}`"
        )
    return _checked(tables.read(path), path)


def loads(text: str, path: Path) -> Config:
    """The same from TOML text; `path` is where it stands or would stand.

    Raises:
        ConfigError: as :func:`load`.
    """
    return _checked(tables.parse(text.encode(), path), path)


def _checked(tree: dict[str, object], path: Path) -> Config:
    walk = tables.Walk(base=path.absolute().parent, root=Config)
    config = tables.build(Config, tree, walk)
    check(config, tree, walk)
    if walk.problems:
        raise ConfigError(*(f"{path}: {problem}" for problem in walk.problems))
    return _completed(config, walk.base)


def _completed(config: Config, base: Path) -> Config:
    """Fills in what is left to defaults, so that `show` and the daemon see real values."""

    def picture(text: str) -> str:
        if not text or text.startswith(BUILTIN_PHOTO):
            return text
        return str(tables.resolve(text, base))

    replace, state, broker = msgspec.structs.replace, state_folder().absolute(), config.broker
    outbox, lan = state / config.outbox.folder, config.frames.lan
    tls = broker.tls or (None if is_loopback(broker.host) else TlsSettings())
    return replace(
        config,
        frames=replace(
            config.frames,
            default_camera=config.frames.default_camera or next(iter(config.cameras)),
            lan=replace(lan, keys=outbox.parent / lan.keys) if lan else None,
        ),
        models=replace(config.models, folder=state / config.models.folder),
        engines=replace(config.engines, folder=state / config.engines.folder),
        outbox=replace(config.outbox, folder=outbox),
        broker=replace(broker, tls=tls, port=broker.port or (8883 if tls else 1883)),
        identities={
            name: replace(
                identity,
                photos=tuple(picture(photo) for photo in identity.photos),
                worn_by=tuple(picture(photo) for photo in identity.worn_by),
            )
            for name, identity in config.identities.items()
        },
        scenes={
            name: replace(scene, template=picture(scene.template))
            for name, scene in config.scenes.items()
        },
    )
