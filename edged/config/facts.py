"""What can be said of a checked configuration: warnings, and files that cannot be read.

Knows addresses and files; changes nothing and opens files only to see that they open.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from edged import tables
from edged.config.schema import BUILTIN_PHOTO, TURNS, UNDERSTOOD, Config
from edged.runtime.settings import CANVAS_PX
from edged.transport.lan import DEVICE_KEY
from edged.transport.link import TlsSettings, is_loopback


def hide_login(address: str) -> str:
    """An address without `user:password@`."""
    return re.sub(r"//[^/]*@", "//***@", address)


def warnings(config: Config) -> list[str]:
    """What is allowed, but a person should know; one sentence each."""
    found = []
    if config.builtin and not is_loopback(config.broker.host):
        allowed = config.publish.allow_builtin_to_remote_broker == UNDERSTOOD
        found.append(
            "models: the built-in pack misses faces, and its pictures go to a remote broker"
            if allowed
            else "models: the built-in pack runs, so no picture goes to the remote broker; "
            "configure real models"
        )
    elif config.builtin:
        found.append("models: the built-in pack is for trying out; it misses faces")
    if config.isolation.mode == "off":
        found.append('isolation.mode = "off": nothing but trust keeps the engine off the network')
    if set(config.guard.rotations_deg) != set(TURNS):
        found.append("guard.rotations_deg: faces in turned pictures may be missed")
    sizes = (*config.guard.sizes_px, *config.guard.stream_sizes_px)
    if max(sizes, default=0) > CANVAS_PX[-1] and config.runtime.require not in ("cpu", "cuda"):
        found.append(
            f"guard.sizes_px: detectors built for TensorRT take {CANVAS_PX[-1]} px at most; on it, "
            'frames that need more are refused; take less, or runtime.require = "cuda"'
        )
    if config.models.guard_recogniser == config.models.embedder and not config.builtin:
        found.append(
            "models.guard_recogniser is the embedder too: a fault of it would judge itself; "
            'take another one, such as "w600k_mbf"'
        )
    return found


def missing_files(config: Config, *, uplink: bool = True, engine: bool = True) -> list[str]:
    """Files that the configuration names and that cannot be read, one line each.

    Args:
        config: to look at.
        uplink: look for certificates and the password file.
        engine: look for photos and templates.  Models are the store's business.
    """
    named: list[tuple[str, str | Path | None]] = []
    if engine:
        named += [
            (f"identities.{name}.{key}[{i}]", photo)
            for name, identity in config.identities.items()
            for key in ("photos", "worn_by")
            for i, photo in enumerate(getattr(identity, key))
        ]
        named += [(f"scenes.{n}.template", s.template) for n, s in config.scenes.items()]
        named.append(("outbox.master_key_file", config.outbox.master_key_file))
        lan = config.frames.lan
        if lan and lan.curve:
            named.append(("frames.lan.keys", lan.keys / DEVICE_KEY))
        pair = ("cert_file", "key_file")
        named += [(f"provenance.{key}", getattr(config.provenance, key)) for key in pair]
    if uplink:
        tls = config.broker.tls or TlsSettings()
        keys = ("ca_file", "cert_file", "key_file")
        named += [(f"broker.tls.{key}", getattr(tls, key)) for key in keys]
        named.append(("broker.password_file", config.broker.password_file))
    cures = {"frames.lan.keys": " (it is made by `edged keys new`)"}
    found = []
    for path, value in named:
        if not value or str(value).startswith(BUILTIN_PHOTO):
            continue
        reason = _unreadable(Path(value))
        if reason:
            found.append(f"{path} = {json.dumps(str(value))}: {reason}{cures.get(path, '')}")
    return found


def _unreadable(path: Path) -> str:
    if str(path).startswith(tables.CREDENTIALS):
        return "CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with LoadCredential="
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"
