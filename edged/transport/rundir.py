"""Finds the folder of edged's sockets.

The folder's permissions are the access control of every socket in it (ZeroMQ binds an
ipc path without asking), so one that others could have prepared is refused.  Knows no
configuration and opens no socket.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edged.errors import OperatorError

SYSTEM_RUN_DIR = Path("/run/edged")
"""Made by systemd's `RuntimeDirectory=edged`."""


def default_run_dir(*, client: bool = False) -> Path:
    """The folder of the sockets, when no endpoint is configured.

    `$EDGED_RUN_DIR`, else `/run/edged`, else `$XDG_RUNTIME_DIR/edged`, else
    `/tmp/edged-<uid>`.  Nothing is created: see :func:`make_run_dir`.

    Args:
        client: look from the side of a sender, for whom `/run/edged` counts when an
            engine's socket is in it; for a daemon it must be writable.

    Raises:
        OperatorError: the folder in the temporary directory is not ours alone.
    """
    named = os.environ.get("EDGED_RUN_DIR")
    if named:
        return Path(named)
    if os.access(SYSTEM_RUN_DIR, os.W_OK | os.X_OK):
        return SYSTEM_RUN_DIR
    if client and (SYSTEM_RUN_DIR / "frames.sock").exists():
        return SYSTEM_RUN_DIR
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and os.access(session, os.W_OK | os.X_OK):
        return Path(session) / "edged"
    path = Path(f"/tmp/edged-{os.getuid()}")  # noqa: S108  # its owner and mode are checked
    if path.is_symlink() or path.exists():
        require_private(path)
    return path


def make_run_dir(path: Path) -> Path:
    """Create the folder for its owner alone, if it is not there yet.

    Raises:
        OperatorError: it cannot be made, or one is there that is not ours alone.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OperatorError(
            f"the run folder {path} cannot be made ({error.strerror}): choose another with "
            "--run-dir or EDGED_RUN_DIR"
        ) from error
    if path != SYSTEM_RUN_DIR:  # its mode is the unit's decision
        require_private(path)
    return path


def require_private(path: Path) -> None:
    """Refuse a folder that another user owns, can write to or has put a link for.

    Raises:
        OperatorError: says which, and what to do.
    """
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        problem = "is not a folder"
    elif found.st_uid != os.getuid():
        problem = "belongs to another user"
    elif found.st_mode & 0o022:
        problem = "can be written by other users"
    else:
        return
    raise OperatorError(
        f"the run folder {path} {problem}, so its sockets cannot be trusted: remove it, or choose "
        "another with --run-dir or EDGED_RUN_DIR"
    )
