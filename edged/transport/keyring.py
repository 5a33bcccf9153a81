"""The folder of CURVE keys: the device's own pair, and one public key for each camera.

    keys/device.key          public and secret, mode 0600; the engine's own
    keys/cameras/NAME.key    public: this key may send frames as camera NAME

Files have the form of ZeroMQ's own certificates (`key = "Z85"` lines), so that other
programs can read them.  A camera's own file, which leaves the device, holds its pair and
the device's public key; the device keeps no camera's secret.  Knows files, no sockets.
"""

from __future__ import annotations

import os
import re
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.utils import z85

from edged.errors import OperatorError
from edged.fresh_file import sync_folder, write_fresh
from edged.transport.lan import DEVICE_KEY

_MAX_BYTES = 4096
_LINE = re.compile(r'^\s*(public-key|secret-key|server-key)\s*=\s*"([^"]{40})"\s*$', re.MULTILINE)
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Pair:
    """A key pair, Z85, 40 bytes each."""

    public: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> Pair:
        """A new one."""
        return cls(*zmq.curve_keypair())


def device_path(folder: Path) -> Path:
    """Where the device's own pair lies."""
    return folder / DEVICE_KEY


def make_device(folder: Path, *, replace: bool = False) -> bytes:
    """Make the device's pair; its public key.

    Args:
        folder: of the keys; made, for its owner alone.
        replace: put it in the place of one that is there.

    Raises:
        OperatorError: there is one already, or the folder cannot be written.
    """
    path = device_path(folder)
    if path.exists() and not replace:
        raise OperatorError(
            f"{path} is there already; with --replace a new pair takes its place, and every "
            "camera needs a new file then"
        )
    pair = Pair.fresh()
    _write(path, _text("the device's own key pair: never copy it", pair.public, pair.secret))
    return pair.public


def read_device(folder: Path) -> Pair:
    """The device's pair.

    Raises:
        OperatorError: there is none, others may read it, or it is damaged.
    """
    path = device_path(folder)
    if not path.exists():
        raise OperatorError(f"{path} does not exist: make the device's keys with `edged keys new`")
    return _pair(_read(path, private=True), path)


def authorise(folder: Path, camera: str, public: bytes) -> None:
    """Let a key send frames as a camera, in the place of the key that it had.

    Raises:
        OperatorError: the key is no key, or another camera's; the folder cannot be written.
    """
    if not is_key(public):
        raise OperatorError("this is no CURVE public key: it has 40 characters (Z85)")
    if public == read_device(folder).public:
        raise OperatorError("this is the device's own key; a camera needs one of its own")
    holder = {key: name for name, key in cameras(folder).items()}.get(public, camera)
    if holder != camera:
        raise OperatorError(f"this is the key of camera {holder}; each camera needs its own")
    _write(_camera_path(folder, camera), _text(f"may send frames as camera {camera}", public))


def revoke(folder: Path, camera: str) -> bytes:
    """Let a camera's key in no more; the key.

    Raises:
        OperatorError: it has none, or the folder cannot be written.
    """
    public = cameras(folder).get(camera)
    if public is None:
        raise OperatorError(f"camera {camera} has no key; `edged keys list` shows who has")
    path = _camera_path(folder, camera)
    try:
        path.unlink()
        sync_folder(path.parent)  # or a power cut lets it in again
    except OSError as error:
        raise _unwritable(path, error) from error
    return public


def cameras(folder: Path) -> dict[str, bytes]:
    """Camera -> its public key.  Files that are no key are passed over: they let nobody in."""
    found = {}
    for path in sorted((folder / "cameras").glob("*.key")):
        try:
            key = _read(path, private=False).get("public-key")
        except OperatorError:
            continue
        if key is not None and _NAME.fullmatch(path.stem):
            found[path.stem] = key
    return found


def write_camera_file(path: Path, camera: str, pair: Pair, server: bytes) -> None:
    """What a camera needs: its pair and the device's public key, readable for its owner alone.

    Raises:
        OperatorError: the file is there already, or cannot be written.
    """
    if path.exists():
        raise OperatorError(f"{path} is there already: move it away, or name another with --out")
    text = _text(f"key pair of camera {camera}: for this camera alone", pair.public, pair.secret)
    try:
        write_fresh(path, f'{text}    server-key = "{server.decode()}"\n'.encode(), mode=0o600)
    except OSError as error:
        raise _unwritable(path, error) from error


def read_camera_file(path: Path) -> tuple[Pair, bytes | None]:
    """A camera's pair, and the device's public key where the file has it.

    Raises:
        OperatorError: it cannot be read, others may read it, or it is damaged.
    """
    found = _read(path, private=True)
    return _pair(found, path), found.get("server-key")


class Roll:
    """Who may send frames: public key -> camera, as the folder says within a second.

    A key that is taken away counts no more, also for a connection that is open.  Used by
    any thread.

    Args:
        folder: of the keys.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._cameras: Mapping[bytes, str] = {}
        self._read_s = float("-inf")

    def camera_of(self, public: bytes) -> str | None:
        """The camera whose key this is; None: nobody's."""
        now_s = time.monotonic()
        with self._lock:
            if now_s - self._read_s >= _LOOK_EVERY_S:
                self._read_s = now_s
                self._cameras = {key: name for name, key in cameras(self._folder).items()}
            return self._cameras.get(public)


def _camera_path(folder: Path, camera: str) -> Path:
    if not _NAME.fullmatch(camera):
        raise OperatorError("a camera's name has 1 to 32 of a-z, 0-9 and '-'")
    return folder / "cameras" / f"{camera}.key"


def _text(about: str, public: bytes, secret: bytes | None = None) -> str:
    lines = [f"# edged: {about}", "curve", f'    public-key = "{public.decode()}"']
    if secret is not None:
        lines.append(f'    secret-key = "{secret.decode()}"')
    return "\n".join(lines) + "\n"


def _read(path: Path, *, private: bool) -> dict[str, bytes]:
    try:
        with path.open("rb") as file:
            if private and os.fstat(file.fileno()).st_mode & 0o077:
                raise OperatorError(f"{path}: others may read this secret: chmod 600 {path}")
            data = file.read(_MAX_BYTES)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror})") from error
    found = {name: key.encode() for name, key in _LINE.findall(data.decode("ascii", "replace"))}
    return {name: key for name, key in found.items() if is_key(key)}


def _pair(found: Mapping[str, bytes], path: Path) -> Pair:
    public, secret = found.get("public-key"), found.get("secret-key")
    if public is None or secret is None or zmq.curve_public(secret) != public:
        raise OperatorError(f"{path} holds no key pair: make it anew (`edged keys --help`)")
    return Pair(public, secret)


def is_key(text: bytes) -> bool:
    """Whether this is a CURVE key in Z85."""
    try:
        return len(text) == 40 and z85.encode(z85.decode(text)) == text
    except (KeyError, ValueError, struct.error):
        return False


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and the property of whoever has the state folder.

    An administrator makes keys for the service's user.
    """
    try:
        made = [one for one in (path.parent, path.parent.parent) if not one.exists()]
        home = next(one for one in path.parents if one.exists()).stat()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_fresh(path, text.encode(), mode=0o600)
        if os.geteuid() == 0:
            for one in (*made, path):
                os.chown(one, home.st_uid, home.st_gid)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        f"{path} cannot be written ({error.strerror}): run it as root, or as the user whose "
        "state this is"
    )
