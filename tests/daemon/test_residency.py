"""Frames go where the models are, and say why when they cannot."""

from __future__ import annotations

from contextlib import ExitStack

import msgspec
import numpy as np
import onnx
import pytest
from engines_kit import obedient
from resident_kit import DeviceSession

from edged.config.schema import Config, DeviceTable
from edged.daemon.residency import AsTheyAre, Residency
from edged.daemon.sessions import picture_shelves
from edged.errors import EngineError
from edged.recipe import Placement, load_recipe
from edged.runtime.failures import LostError
from edged.runtime.machine import Machine
from edged.runtime.session import Meter
from edged.runtime.settings import BuildSettings
from edged.stages.easel import HostPicture
from edged.stages.resident import DevicePicture

FRAME = np.zeros((120, 160, 3), np.uint8)
RECIPES = {name: load_recipe(name) for name in ("inswapper_128", "gfpgan_1.4")}


class Entered(DeviceSession):
    """A session as residency opens it."""

    def __init__(self, name, graph):
        super().__init__(onnx.load_from_string(graph), model_id=name)
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.closed = True


class Shelves:
    """Opens on "cuda" and remembers; "broken" fails; "tensorrt" lacks something at first."""

    def __init__(self):
        self.opened, self.lacking = [], "its graphs are being built"

    def __call__(self, runtime):
        if runtime == "tensorrt":
            return Building(self)
        opened = {"cuda": self.good, "broken": self.bad}.get(runtime)
        return AsTheyAre(opened) if opened else None

    def good(self, name, graph):
        self.opened.append(Entered(name, graph))
        return self.opened[-1]

    def bad(self, name, _graph):
        raise EngineError(f"{name}: no memory")


class Building:
    """What is on it comes later."""

    largest_px = 200

    def __init__(self, shelves):
        self._shelves = shelves

    def missing(self):
        return self._shelves.lacking

    def wait(self):
        pass

    def __call__(self, name, graph):
        return self._shelves.good(name, graph)


def residency(served, wish="auto", shelves=None, recipes=RECIPES):
    made = Residency(wish, served.__getitem__, recipes, "inswapper_128", shelves or Shelves())
    return made.__enter__()


def test_a_frame_lies_where_the_swapper_runs():
    """On its device; graphs are opened once."""
    shelves = Shelves()
    made = residency({"inswapper_128": "cuda", "gfpgan_1.4": "cuda"}, shelves=shelves)
    assert isinstance(made(FRAME), DevicePicture)
    assert isinstance(made(FRAME), DevicePicture)
    assert len(shelves.opened) == 7
    assert (made.runtime, made.reason) == ("cuda", "")


@pytest.mark.parametrize(
    ("runtime", "wish", "reason"),
    [
        ("cpu", "auto", "on the CPU"),
        ("cuda", "off", 'resident = "off"'),
        ("tensorrt-rtx", "auto", "does not hold frames"),
        ("broken", "auto", "no memory"),
        ("tensorrt", "auto", "being built"),
    ],
)
def test_else_it_lies_in_host_memory(runtime, wish, reason):
    """And the reason can be told."""
    made = residency({"inswapper_128": runtime}, wish)
    assert isinstance(made(FRAME), HostPicture)
    assert made.runtime == ""
    assert reason in made.reason


@pytest.mark.parametrize("runtime", ["tensorrt-rtx", "broken", "tensorrt"])
def test_what_must_stay_on_the_device_and_cannot_stops_the_start(runtime):
    """`resident = "on"` is no wish that is passed over."""
    with pytest.raises(EngineError):
        residency({"inswapper_128": runtime}, "on")


def test_frames_follow_an_engine_that_is_switched():
    """To the device when the swapper comes there, and off it when it leaves."""
    served = {"inswapper_128": "cpu"}
    shelves = Shelves()
    made = residency(served, shelves=shelves)
    assert isinstance(made(FRAME), HostPicture)
    served["inswapper_128"] = "cuda"
    assert isinstance(made(FRAME), DevicePicture)
    served["inswapper_128"] = "cpu"
    assert isinstance(made(FRAME), HostPicture)
    assert all(session.closed for session in shelves.opened)


def test_frames_go_to_the_device_once_its_graphs_are_built():
    """Until then they are in host memory, and it is said why; larger ones always are."""
    shelves = Shelves()
    made = residency({"inswapper_128": "tensorrt"}, shelves=shelves)
    assert isinstance(made(FRAME), HostPicture)
    shelves.lacking = ""
    assert isinstance(made(FRAME), DevicePicture)
    assert made.reason == ""
    assert isinstance(made(np.zeros((201, 100, 3), np.uint8)), HostPicture)


def test_a_network_is_fed_on_the_device_only_where_it_runs_and_may():
    """By its own runtime and its recipe."""
    kept = msgspec.structs.replace(RECIPES["gfpgan_1.4"], graph=Placement(resident=False))
    recipes = {**RECIPES, "kept": kept}
    served = {"inswapper_128": "cuda", "gfpgan_1.4": "cpu", "kept": "cuda"}
    bench = residency(served, recipes=recipes)._bench
    assert [bench.resident(name) for name in served] == [True, False, False]
    served["gfpgan_1.4"] = "cuda"
    assert bench.resident("gfpgan_1.4")


def test_each_runtime_s_graphs_come_from_where_they_can(tmp_path, monkeypatch):
    """As they are, built in the background, or not at all."""
    tell = obedient(tmp_path / "fake", monkeypatch)
    settings = BuildSettings(folder=tmp_path / "engines")
    config = Config(device=DeviceTable(name="d", site="s"), cameras={}, scenes={}, engines=settings)
    machine = Machine({"tensorrt": type(tell())})
    with ExitStack() as stack:
        shelf_of = picture_shelves(config, Meter(), machine, stack)
        assert isinstance(shelf_of("cpu"), AsTheyAre)
        assert isinstance(shelf_of("cuda"), AsTheyAre)
        assert shelf_of("tensorrt-rtx") is None
        built = Residency("on", lambda _id: "tensorrt", RECIPES, "inswapper_128", shelf_of)
        with built:
            assert built.runtime == "tensorrt"
            assert isinstance(built(FRAME), DevicePicture)
            assert isinstance(built(np.zeros((2049, 100, 3), np.uint8)), HostPicture)


def test_a_graph_that_fails_for_good_sends_frames_to_host_memory():
    """It is opened anew as models are; what cannot be is left, with the reason."""
    shelves = Shelves()
    made = residency({"inswapper_128": "cuda"}, shelves=shelves)
    assert isinstance(made(FRAME), DevicePicture)
    made._sessions[2].revival.failed(LostError("an illegal memory access"))
    assert isinstance(made(FRAME), HostPicture)
    assert isinstance(made(FRAME), HostPicture)
    assert "failed again and again" in made.reason
    assert all(session.closed for session in shelves.opened)
