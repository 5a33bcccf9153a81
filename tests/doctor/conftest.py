"""Checks never see the state folder of whoever runs the tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state folder of this test's own."""
    folder = tmp_path / "state"
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    return folder


@pytest.fixture
def root(tmp_path):
    """A folder that stands for `/`."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder
