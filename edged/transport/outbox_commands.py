"""The commands that are about the outbox alone: `purge`, `replay` and `outbox`.

For the engine's command handler; knows no socket.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from edged.transport.outbox import Outbox
from edged.transport.outbox_rows import PurgeSelector

_MAX_SEQ = 2**53
"""Beyond this JSON numbers lose digits in other readers."""


def run_outbox_command(
    outbox: Outbox, name: str, data: dict[str, Any], cameras: Collection[str]
) -> dict[str, Any]:
    """Do one of the commands.

    Args:
        outbox: to do it on.
        name: "purge", "replay" or "outbox".
        data: of the command: one of `all`, `shot`, `consent`, `before_ms` for a purge;
            `camera`, `from`, `to` and at will `session` for a replay.
        cameras: the configured names.

    Returns:
        The data of the reply.

    Raises:
        ValueError: the data is not of that form.
        FrameError: the outbox cannot do it now.
    """
    if name == "purge":
        return _dict(outbox.purge(PurgeSelector.from_data(data)))
    if name == "replay":
        return _replay(outbox, data, cameras)
    if name == "outbox":
        return _dict(outbox.stats())
    raise ValueError("not a command of the outbox")


def _replay(outbox: Outbox, data: dict[str, Any], cameras: Collection[str]) -> dict[str, Any]:
    camera, first, last = data.get("camera"), data.get("from"), data.get("to")
    session = data.get("session")
    if (
        not data.keys() <= {"camera", "from", "to", "session"}
        or camera not in cameras
        or not _is_seq(first)
        or not _is_seq(last)
        or not (session is None or isinstance(session, str))
    ):
        raise ValueError(
            'replay takes {"camera": a configured name, "from": N, "to": N} and, for an earlier '
            'one, "session": UUID'
        )
    return dict(outbox.replay(str(camera), int(first), int(last), session))  # type: ignore[arg-type]


def _is_seq(value: object) -> bool:
    return type(value) is int and 0 < value < _MAX_SEQ


def _dict(struct: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(struct)
