"""A small recogniser, a store in a temporary folder, and a runtime that obeys a file."""

from __future__ import annotations

import hashlib

import pytest
from engines_kit import obedient

from edged.bench.standins import recogniser
from edged.recipe import load_recipe
from edged.runtime.build.store import EngineStore
from edged.runtime.build.subject import Model
from edged.runtime.settings import BuildSettings


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """`fake(build="crash")` makes the builder misbehave; gives the backend."""
    return obedient(tmp_path / "fake", monkeypatch)


@pytest.fixture
def builds(tmp_path):
    """Process ids of the builders that were begun, a call away."""

    def pids():
        noted = tmp_path / "fake" / "builds"
        return [int(line) for line in noted.read_text().split()] if noted.is_file() else []

    return pids


@pytest.fixture
def model(tmp_path):
    """A stand-in recogniser that takes 1 to 8 faces."""
    path = tmp_path / "w600k_r50.onnx"
    path.write_bytes(recogniser.build().SerializeToString(deterministic=True))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Model(load_recipe("w600k_r50"), path, sha256, tmp_path / "calibration")


@pytest.fixture
def settings(tmp_path):
    """Of a store in a folder of its own."""
    return BuildSettings(folder=tmp_path / "engines", retries=2, timeout_s=60.0)


@pytest.fixture
def store(settings):
    """An empty store."""
    return EngineStore(settings)
