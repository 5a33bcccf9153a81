"""The engine as a process: signals, the service manager, and how it ends."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from edged.config import Config
from edged.daemon.engine import Engine
from edged.daemon.sentry import leave
from edged.transport.notify import Notifier

log = logging.getLogger(__name__)


def main(
    config: Config,
    run_dir: Path,
    ready: Callable[[], None] = lambda: None,
    listeners: Sequence[int] = (),
    source: Path | None = None,
) -> int:
    """Run the engine of a configuration in this process; the exit code.

    A process in which something hangs, or whose models cannot be opened any more, ends
    itself with 70.

    Args:
        config: checked.
        run_dir: folder of the sockets.
        ready: called when frames are taken.
        listeners: descriptors for LAN cameras, taken over.
        source: file of the configuration, for `reload`.

    Raises:
        EdgedError: it cannot start, with what to do.
    """
    notifier = Notifier()
    engine = Engine(config, run_dir, notifier.status, listeners, source)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: engine.stop())
    engine.start()
    try:
        ready()
        notifier.ready("taking frames")
        log.info("the engine takes frames")
        verdict = engine.run(notifier)
        if verdict is not None:
            notifier.status(verdict.text)
            leave(engine.close)
        notifier.stopping()
    finally:
        engine.close()
    engine.lives.ended_well()
    log.info("the engine has stopped")
    return 0
