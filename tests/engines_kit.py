"""The fake runtime of `fakes/engines.py`, reachable from worker processes."""

from __future__ import annotations

import json
from pathlib import Path

from fakes.engines import FakeEngines


def obedient(folder, monkeypatch):
    """A function that tells builders and loaders how to behave, and gives a backend.

    Args:
        folder: where the wishes are written, and the builders' process ids noted.
        monkeypatch: sets what worker processes inherit.
    """
    tests = Path(__file__).resolve().parent
    wishes = folder / "wishes.json"
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("EDGED_FAKE_ENGINES", str(wishes))
    monkeypatch.setenv("PYTHONPATH", f"{tests}:{tests.parent}")

    def set_wishes(**values):
        wishes.write_text(json.dumps(values))
        return FakeEngines()

    set_wishes()
    return set_wishes
