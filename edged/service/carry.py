"""Carries out the steps of a plan, one by one, and stops at the first that fails."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence

from edged.errors import OperatorError
from edged.fresh_file import destroy, write_fresh
from edged.service.plan import Step

_PATIENCE_S = 120


def carry_out(steps: Sequence[Step], say: Callable[[Step, str], None]) -> None:
    """Do every step.

    Args:
        steps: in order.
        say: told each step and what became of it: "done", "absent" or "failed".

    Raises:
        OperatorError: a step cannot be done; those before it are.
    """
    for step in steps:
        say(step, _done(step))


def _done(step: Step) -> str:
    try:
        return _do(step)
    except OSError as error:
        raise OperatorError(
            f"{step.line}: {error.strerror or error}; run it as root, and look at "
            "`--dry-run` for all that is to be done"
        ) from error


def _do(step: Step) -> str:
    if step.kind == "write":
        write_fresh(step.path, step.text.encode())
    elif step.kind == "destroy" and step.path.is_file() and not step.path.is_symlink():
        destroy(step.path)
    elif step.kind in ("remove", "destroy"):
        if step.path.is_dir() and not step.path.is_symlink():
            shutil.rmtree(step.path)
        elif step.path.exists() or step.path.is_symlink():
            step.path.unlink()
        else:
            return "absent"
    elif step.kind in ("run", "try"):
        return _run(step)
    return "done"


def _run(step: Step) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command line of the plan
            step.argv, check=False, capture_output=True, text=True, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        if step.kind == "try":
            return "failed"
        raise OperatorError(
            f"{step.line}: cannot be run ({error}); is this a system with systemd? In an image "
            "or a container say --root DIR, which writes files only"
        ) from error
    if done.returncode and step.kind == "run":
        told = (done.stderr or done.stdout).strip().splitlines()
        raise OperatorError(f"{step.line}: {told[-1] if told else f'exit {done.returncode}'}")
    return "failed" if done.returncode else "done"
