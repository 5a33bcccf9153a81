"""Live calibration: numbers of a network on the faces of a running pipeline, and nothing else."""

from __future__ import annotations

import json
import queue
import threading
import time
from contextlib import ExitStack

import numpy as np
import photos
import pytest
from device_kit import device

from edged.builtin.pack import write_pack
from edged.config import loads
from edged.daemon.assemble import assemble
from edged.daemon.listening import Listening
from edged.pipeline.parts import Job
from edged.runtime.graph.load import load_prepared
from edged.runtime.graph.tools import structure_digest
from edged.runtime.precision.range_file import path_of, read_ranges
from edged.runtime.precision.ranges import measure
from edged.scene import Scene

SCENE = Scene(mode="disguise", identities=("actor",))
SWAPPER = "builtin_swapper"


@pytest.fixture
def kit(tmp_path):
    """A loaded pipeline on the CPU."""
    write_pack(tmp_path / "models")
    config = loads(device(tmp_path / "models", "[runtime]\nthreads = 1\n"), tmp_path / "edged.toml")
    with ExitStack() as stack:
        yield assemble(config, stack)


@pytest.fixture
def listening(kit, tmp_path):
    """Ears on that pipeline."""
    made = Listening(kit.serving.loaded, kit.serving.listen, tmp_path / "calibration")
    yield made
    made.close()


def shoot(kit):
    """One frame with one face."""
    outcome = kit.pipeline.process(photos.astronaut(), Job("booth", "hide", SCENE, whole=True))
    assert outcome.buffer is not None
    outcome.buffer.release()


def until(listening, *states, work=lambda: None):
    """Work until the state is one of these; its figures."""
    deadline = time.monotonic() + 60
    while (found := listening.order({"action": "status"}))["state"] not in states:
        assert time.monotonic() < deadline, found
        work()
        time.sleep(0.01)
    return found


def test_the_ranges_are_those_of_the_crops_that_the_pipeline_swapped(kit, listening, tmp_path):
    """Against a measurement of the feeds themselves, taken down beside it."""
    fed = []
    model = kit.serving.loaded[SWAPPER]
    listening.order({"action": "start", "model": SWAPPER, "crops": 3})
    until(listening, "listening")
    session = kit.stages.swapper.session
    ears = session.listener
    session.listener = lambda feeds, inner: (fed.append(dict(feeds)), ears(feeds, inner))
    found = until(listening, "written", work=lambda: shoot(kit))
    assert (found["seen"], found["wanted"]) == (3, 3)
    file = read_ranges(path_of(SWAPPER, tmp_path / "calibration"))
    graph = load_prepared(model.path, model.recipe).model
    assert (file.model_sha256, file.structure_digest) == (model.sha256, structure_digest(graph))
    assert file.crops == 3
    assert file.peaks == measure(graph, fed[:1]).peaks  # the same face three times
    assert session.listener is None


def test_the_file_holds_one_number_a_tensor(kit, listening, tmp_path):
    """No list, no text beside names and hashes: nothing that a crop could hide in."""
    listening.order({"action": "start", "model": SWAPPER, "crops": 1})
    until(listening, "written", work=lambda: shoot(kit))
    data = json.loads(path_of(SWAPPER, tmp_path / "calibration").read_bytes())
    assert set(data) == {"recipe", "model_sha256", "structure_digest", "crops", "date", "peaks"}
    assert data["peaks"]
    assert all(type(peak) in {int, float} for peak in data["peaks"].values())


def test_no_frame_waits_for_the_measurement(kit, listening):
    """While a crop is in hand, what comes is left alone."""
    listening.order({"action": "start", "model": SWAPPER, "crops": 10_000})
    until(listening, "listening")
    job, held = listening._job, threading.Event()

    def busy(**_):
        held.wait(30)
        raise queue.Empty

    time.sleep(0.3)  # the thread waits in the true one now, and takes no more than one crop
    job.crops.get = busy
    for _ in range(4):
        shoot(kit)
    seen = job.seen
    shoot(kit)
    assert (job.crops.full(), job.seen) == (True, seen)
    assert seen <= 1
    held.set()


def test_an_early_end_keeps_what_was_measured(kit, listening, tmp_path):
    """And one without a face writes nothing."""
    listening.order({"action": "start", "model": SWAPPER})
    until(listening, "listening")
    assert listening.order({"action": "stop"})["state"] == "stopped"
    assert not (tmp_path / "calibration").exists()
    listening.order({"action": "start", "model": SWAPPER})
    until(listening, "listening")
    while not listening.order({"action": "status"})["seen"]:
        shoot(kit)
    found = listening.order({"action": "stop"})
    assert found["state"] == "written"
    assert found["seen"] < found["wanted"]


def test_a_second_model_has_to_wait(listening):
    """One at a time: each holds a whole network in memory."""
    listening.order({"action": "start", "model": SWAPPER})
    with pytest.raises(ValueError, match="stop that first"):
        listening.order({"action": "start", "model": "builtin_recogniser"})


@pytest.mark.parametrize(
    "data",
    [
        {"action": "start", "model": "no-such"},
        {"action": "start", "model": SWAPPER, "crops": 0},
        {"action": "start", "model": SWAPPER, "crops": 10**9},
        {"action": "start", "model": SWAPPER, "folder": "/tmp"},
        {"action": "burn"},
        {},
    ],
)
def test_other_orders_are_refused(listening, data):
    """With what is taken, and without a thread."""
    with pytest.raises(ValueError, match=r"calibrate takes|it runs:|crops must be"):
        listening.order(data)
    assert listening.order({"action": "status"}) == {"state": "idle"}


def test_a_face_that_lies_on_a_device_is_downloaded(kit, listening):
    """Its row alone is kept; numbers for all faces are kept whole."""

    class Device:
        """Two crops somewhere else."""

        shape, dtype = (2, 4, 4, 3), np.dtype(np.uint8)

    class Holder:
        """The session that can read them."""

        def download(self, array):
            assert isinstance(array, Device)
            return np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)

    listening.order({"action": "start", "model": SWAPPER})
    until(listening, "listening")
    taken = []
    listening._job.crops.put_nowait = taken.append
    strength = np.ones(1, np.float32)
    kit.stages.swapper.session.listener({"crops": Device(), "strength": strength}, Holder())
    assert taken[0]["crops"].shape == (1, 4, 4, 3)
    assert taken[0]["strength"].shape == (1,)
    assert taken[0]["strength"] is not strength


def test_a_crop_that_comes_as_it_ends_is_let_go(kit, listening):
    """Whichever of the two threads is the later one: none lies in memory until the next start."""
    listening.order({"action": "start", "model": SWAPPER})
    until(listening, "listening")
    job, ears = listening._job, kit.stages.swapper.session.listener
    listening.order({"action": "stop"})
    put = job.crops.put_nowait
    feeds = {"strength": np.ones(1, np.float32)}
    ears(feeds, None)
    assert job.crops.empty()
    job.ended.clear()  # the other order: it ends while the crop is put
    job.crops.put_nowait = lambda one: (put(one), job.ended.set())
    ears(feeds, None)
    assert job.crops.empty()
