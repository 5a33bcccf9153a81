"""A running pipeline goes from the CPU to engines that were built meanwhile."""

from __future__ import annotations

import time
from contextlib import ExitStack

import numpy as np
import photos
import pytest
from device_kit import device
from engines_kit import obedient
from fakes.engines import FakeEngines

from edged.builtin.pack import write_pack
from edged.config import loads
from edged.daemon.assemble import assemble
from edged.pipeline.parts import Job
from edged.runtime.machine import Machine
from edged.scene import Scene

MORE = """
[runtime]
threads = 1
prefer = "cuda"
[engines]
folder = "{folder}/engines"
"""

SCENE = Scene(mode="disguise", identities=("actor",))


@pytest.fixture
def running(tmp_path, monkeypatch):
    """The kit of an assembled device and its events; engines are built in the background."""
    obedient(tmp_path / "fake", monkeypatch)()
    write_pack(tmp_path / "models")
    text = device(tmp_path / "models", MORE.format(folder=tmp_path))
    config = loads(text, tmp_path / "edged.toml")
    events = []
    with ExitStack() as stack:
        kit = assemble(
            config, stack, event=lambda *event: events.append(event),
            machine=Machine({"cuda": FakeEngines}),
        )  # fmt: skip
        yield kit, events


def shoot(kit):
    """The picture that comes of a frame with a face, before the guard's buffers are used again."""
    outcome = kit.pipeline.process(photos.astronaut(), Job("booth", "hide", SCENE, whole=True))
    image = None if outcome.buffer is None else outcome.buffer.image.copy()
    if outcome.buffer is not None:
        outcome.buffer.release()
    return outcome.ruling, image, outcome.faces


def test_every_model_is_switched_and_the_picture_stays_the_same(running):
    """Degraded and on the CPU first, then as wished; no frame in between is lost."""
    kit, events = running
    assert (kit.choice.wished, kit.choice.slug) == (False, "cuda-engine-absent")
    before = shoot(kit)
    deadline = time.monotonic() + 100
    while not kit.choice.wished:
        assert time.monotonic() < deadline, events
        kit.serving.between_frames()
        ruling, image, faces = shoot(kit)
        assert type(ruling) is type(before[0])
        assert [face.action for face in faces] == [face.action for face in before[2]]
        assert np.abs(image.astype(int) - before[1]).max() <= 1
    names = {event[2]["model"] for event in events if event[0] == "engine-rebuilt"}
    assert names == {"builtin_recogniser", "builtin_swapper"}
    assert {choice.name for choice in kit.serving.models.values()} == {"cuda"}
