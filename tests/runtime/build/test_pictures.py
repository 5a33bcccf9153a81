"""Engines of the picture graphs: whole or not at all, kept while they fit, built in the back."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from edged.runtime.build.pictures import FOLDER, PictureEngines, PictureShelf
from edged.runtime.graph.picture import BUCKETS
from edged.runtime.session import Meter
from edged.stages.resident_trial import open_bench


def silent(_phase, _share):
    pass


def made(settings, backend):
    engines = PictureEngines(settings, backend)
    engines.make(silent, threading.Event())
    return engines


def folders(settings):
    home = settings.folder / FOLDER
    return list(home.iterdir()) if home.is_dir() else []


def test_what_was_built_is_opened_and_draws_right(settings, fake):
    """All seven, each in a session, tried as the daemon tries them."""
    shelf = PictureShelf(made(settings, fake()), Meter())
    shelf.wait()
    assert shelf.missing() == ""
    with ExitStack() as stack:
        bench = open_bench(lambda n, g: stack.enter_context(shelf(n, g)), lambda _: True)
    assert set(bench.pasters) == set(BUCKETS)


def test_they_are_built_once(settings, fake, builds):
    """And found again by the next daemon."""
    shelf = PictureShelf(made(settings, fake()), Meter())
    shelf.wait()
    assert PictureEngines(settings, fake()).there()
    assert len(set(builds())) == 1


@pytest.mark.parametrize("harm", ["damage", "loss"])
def test_a_file_that_is_not_what_was_built_is_built_again(settings, fake, harm):
    """One byte more, or none at all."""
    engines = made(settings, fake())
    file = engines.folder / "picture-cropper" / "model.onnx"
    if harm == "damage":
        file.write_bytes(file.read_bytes() + b"x")
    else:
        file.unlink()
    assert not engines.there()
    shelf = PictureShelf(engines, Meter())
    shelf.wait()
    assert engines.there()


def test_another_machine_has_its_own_and_the_old_ones_go(settings, fake):
    """What they depend on is in the folder's name."""
    old = made(settings, fake()).folder
    new = made(settings, fake(identity={"driver": "2"})).folder
    assert old != new
    assert folders(settings) == [new]


@pytest.mark.parametrize(("build", "told"), [("crash", "SIGSEGV"), ("parser", "node 7")])
def test_a_build_that_fails_leaves_nothing_and_says_why(settings, fake, build, told):
    """The shelf stays empty, the daemon goes on."""
    shelf = PictureShelf(PictureEngines(settings, fake(build=build)), Meter())
    shelf.wait()
    assert told in shelf.missing()
    assert folders(settings) == []


def test_a_daemon_that_ends_ends_the_build(settings, fake):
    """Nobody waits for a builder that hangs."""
    shelf = PictureShelf(PictureEngines(settings, fake(build="hang")), Meter())
    assert shelf.missing() == "its picture graphs are being built"
    shelf.close()
    assert "was stopped" in shelf.missing()
    assert folders(settings) == []
