"""Opens what the engine keeps on the disk: the outbox, and the key that signs its receipts."""

from __future__ import annotations

from edged.config import Config
from edged.errors import OperatorError
from edged.transport.clock import clock_synced
from edged.transport.outbox import Outbox
from edged.transport.outbox_rows import OnEvent
from edged.transport.receipt_key import open_key
from edged.transport.receipts import Notary

MASTER_KEY_BYTES = 32


def open_outbox(config: Config, on_event: OnEvent) -> tuple[Outbox, Notary]:
    """The outbox of a configuration, and who signs for what it destroys.

    Raises:
        OperatorError: folder, key or master key cannot be used.
    """
    master_key = _master_key(config)
    outbox = Outbox.open(
        config.outbox.folder,
        limits=config.outbox.limits,
        clock_synced=clock_synced,
        master_key=master_key,
        on_event=on_event,
    )
    try:
        key = open_key(config.outbox.folder, master_key, on_event)
    except BaseException:
        outbox.close()
        raise
    return outbox, Notary(key, config.device.name, config.device.site)


def _master_key(config: Config) -> bytes | None:
    """The key that wraps the outbox's keys, from its file.

    Raises:
        OperatorError: the file does not hold 32 bytes.
    """
    path = config.outbox.master_key_file
    if path is None:
        return None
    key = path.read_bytes()
    if len(key) != MASTER_KEY_BYTES:
        msg = f"outbox.master_key_file: {path} holds {len(key)} bytes, 32 are needed"
        raise OperatorError(msg)
    return key
