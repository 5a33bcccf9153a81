"""The wheel holds what the checkout has, and works where no checkout is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=checkout, check=True, capture_output=True,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory) -> Path:
    """A fresh venv with the wheel; the dependencies are those of the running one."""
    home = tmp_path_factory.mktemp("elsewhere")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps",
         "--no-index", str(wheel)],
        check=True,
    )  # fmt: skip
    (packages,) = home.glob("lib/python*/site-packages")
    # A path line adds the folder but reads none of its own .pth files, so that an
    # editable install of this checkout stays out of sight.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def run(home: Path, *words: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, cwd=home, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_is_installed_and_not_the_checkout(elsewhere):
    """What runs in the other place is the wheel's package."""
    where = run(elsewhere, "bin/python", "-c", "import edged; print(edged.__file__)")
    assert Path(where.strip()).is_relative_to(elsewhere)


def test_recipes_are_listed_from_the_wheel(elsewhere, checkout):
    """Every recipe of `engines/` is found by `edged models list` of the installed wheel."""
    listed = json.loads(run(elsewhere, "bin/edged", "models", "list", "--json"))
    here = {path.stem for path in (checkout / "engines").rglob("*.toml")}
    assert here
    assert here <= {row["id"] for row in listed}


def test_the_wheel_holds_data_and_licence_and_no_tests(wheel):
    """Recipes, the typing marker and the licence travel along; tests stay at home."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "edged/py.typed" in names
    assert any(name.startswith("edged/engines/") for name in names)
    assert "edged/systemd/edged-engine.service" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith("tests/") for name in names)
