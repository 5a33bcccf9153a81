"""The fixed words of replies to commands that were not done, and what each means.

Knows no command.  A word is for programs and stays; its sentence is for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from edged.transport.wire import ReplyDoc

TEXTS: Mapping[str, str] = {
    "retained": "The broker had kept this command for later; send commands without `retain`.",
    "too-large": "A command is 64 KiB at most.",
    "bad-message": "Not a command of the documented form; the README shows it.",
    "expired": "The command is older than its ttl_s; send a new one, and look at both clocks.",
    "ahead": "The command's time is in the future; set the sender's clock.",
    "replayed": "A command of this id was taken before; give each command an id of its own.",
    "rate-limited": "Too many commands; wait a second and send it again.",
    "challenge": "Its time does not tell whether this command is new: send the same command "
    "again with the key `nonce` of this reply's data.",
    "bad-nonce": "This nonce is not that of the command, was used, or is too old; send the "
    "command without a nonce to get a new one.",
    "engine-silent": "The engine does not answer; the device's status says more.",
    "busy": "Too many commands wait; send it again in a moment.",
    "timeout": "The engine did not answer in time; the command may still be done.",
}
"""Words that the uplink answers with itself."""


def refusal(
    command_id: str,
    word: str,
    *,
    ts_ms: int,
    clock_synced: bool,
    data: Mapping[str, Any] | None = None,
) -> bytes:
    """The reply to a command that goes no further.

    Args:
        command_id: checked, or empty.
        word: a key of :data:`TEXTS`.
        ts_ms: wall clock, ms since the epoch.
        clock_synced: whether it can be believed.
        data: of the reply.
    """
    return msgspec.json.encode(
        ReplyDoc(
            id=command_id,
            ts_ms=ts_ms,
            clock_synced=clock_synced,
            status="error",
            error=word,
            text=TEXTS[word],
            data=dict(data or {}),
        )
    )
