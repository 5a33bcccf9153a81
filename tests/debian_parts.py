"""Programs that Debian brings and tests use: found, or a reason to skip, which fails under CI."""

from __future__ import annotations

import os
import shutil

import pytest


def find_program(name: str) -> str | None:
    """Path of a program; Debian keeps daemons where a user's PATH does not look."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def program(name: str, package: str = "") -> str:
    """Path of a program; skips the test without it, fails it under `CI=true`.

    Args:
        name: of the program.
        package: Debian's, where it has another name.
    """
    found = find_program(name)
    if found is None:
        missing = f"{name} is not installed (Debian: apt-get install {package or name})"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found
