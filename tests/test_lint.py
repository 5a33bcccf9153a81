"""ruff and mypy are content with the whole checkout."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_ruff_is_content(checkout):
    """The linter finds nothing in package and tests."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", "."],
        cwd=checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(sys.version_info < (3, 11), reason="numpy's types for Python 3.10 are older")
@pytest.mark.timeout(600)
def test_mypy_is_content(checkout):
    """The package is typed throughout, under mypy's strict rules."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_no_file_is_longer_than_400_lines(checkout):
    """One subject a file: what grows over 400 lines is split."""
    sources = [*(checkout / "edged").rglob("*.py"), *(checkout / "tests").rglob("*.py")]
    long = {
        str(path.relative_to(checkout)): lines
        for path in sources
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 400
    }
    assert not long
