"""The door that frames come in by, as the configuration wants it: sockets, names, keys.

Opens nothing yet; the engine starts what this makes when its pipeline is ready.
"""

from __future__ import annotations

from collections.abc import Sequence

from edged.config import Config, LanTable
from edged.transport.curve import CurveServer
from edged.transport.frames import FrameServer
from edged.transport.keyring import Roll, read_device
from edged.transport.listeners import Subscription
from edged.transport.mailbox import Mailbox


def frame_server(
    config: Config, mailbox: Mailbox, *, endpoint: str, listeners: Sequence[int], mode: int
) -> FrameServer:
    """The server of frames.

    Args:
        config: checked.
        mailbox: where good frames go.
        endpoint: in the run folder, where the configuration names none.
        listeners: descriptors that the launcher or systemd left open for LAN cameras.
        mode: permissions of ipc sockets.

    Raises:
        OperatorError: LAN cameras need keys, and the device's are absent or damaged.
    """
    frames = config.frames
    return FrameServer(
        [frames.endpoint or endpoint],
        frames.limits,
        {name: camera.scene for name, camera in config.cameras.items()},
        list(config.scenes),
        mailbox,
        imagezmq_subscriptions=[
            Subscription(address=s.address, camera=s.camera) for s in frames.imagezmq_subscribe
        ],
        default_camera=frames.default_camera or None,
        curve=_keys(frames.lan),
        listen_fds=listeners,
        socket_mode=mode,
    )


def _keys(lan: LanTable | None) -> CurveServer | None:
    """What LAN cameras are held against; None on loopback without keys."""
    if lan is None or not lan.curve:
        return None
    pair = read_device(lan.keys)
    return CurveServer(pair.public, pair.secret, Roll(lan.keys).camera_of)
