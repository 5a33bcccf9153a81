"""A model goes through the engine store with NVIDIA's own parser and builder."""

from __future__ import annotations

import os
from pathlib import Path

from fakes.native_engines import DriverlessTensorRt
from native_kit import environment

from edged.runtime.build.make import Order, make
from edged.runtime.build.store import Missing


def test_without_a_driver_a_native_engine_is_only_built(native_tree, store, model, monkeypatch):
    """Parsed, type-checked and built in the worker; it ran nowhere, so it is not loaded."""
    values = environment(native_tree("11.4", rtx=True))
    tests = Path(__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{values['PYTHONPATH']}{os.pathsep}{tests}")
    monkeypatch.setenv("LD_LIBRARY_PATH", values["LD_LIBRARY_PATH"])
    paper = make(store, Order(model, DriverlessTensorRt()))
    assert (paper.status, paper.ran, paper.verdict) == ("built", None, None)
    assert paper.problem
    assert paper.files["engine.plan"].size_bytes > 10_000
    missing = store.best(model, DriverlessTensorRt())
    assert isinstance(missing, Missing)
    assert missing.state == "built"
    assert paper.problem in missing.reason
