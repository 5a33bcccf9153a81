"""The import rules of pyproject.toml hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_imports_point_one_way(checkout):
    """Every module stands in its layer, and no forbidden import exists, even indirectly."""
    done = run(checkout)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("errors.py", "import edged.transport.wire"),
        ("faces.py", "import zmq"),
        ("daemon/uplink.py", "import edged.transport.outbox"),
        ("newcomer.py", "import edged.errors"),
    ],
)
def test_the_rules_bite(checkout, tmp_path, module, line):
    """An import that goes the wrong way, or a module without a layer, is found."""
    (tmp_path / "edged").mkdir()
    for path in sorted((checkout / "edged").rglob("*.py")):
        target = tmp_path / path.relative_to(checkout)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((checkout / "pyproject.toml").read_bytes())
    assert run(tmp_path).returncode == 0, "the copy itself is not clean"
    with (tmp_path / "edged" / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = run(tmp_path)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout
