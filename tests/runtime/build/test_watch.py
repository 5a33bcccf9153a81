"""A model file that is replaced under a running daemon is noticed."""

from __future__ import annotations

import os

from edged.runtime.build.make import Order, make
from edged.runtime.build.store import Found, Missing
from edged.runtime.build.subject import Model
from edged.runtime.build.watch import ModelWatch


def test_an_untouched_file_is_nothing_to_tell(model):
    """No change, no word."""
    assert ModelWatch([model]).look() == []


def test_a_replaced_file_is_told_once_with_both_hashes(model):
    """Also when its times were set back, as `cp -p` does."""
    watch = ModelWatch([model])
    stat = model.path.stat()
    fresh = model.path.with_name("fresh")
    fresh.write_bytes(model.path.read_bytes()[::-1])
    os.utime(fresh, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    fresh.replace(model.path)
    (swapped,) = watch.look()
    assert swapped.model is model
    assert model.sha256[:12] in str(swapped)
    assert swapped.sha256[:12] in str(swapped)
    assert "edged models verify w600k_r50" in str(swapped)
    assert watch.look() == []


def test_a_touched_file_with_the_same_bytes_is_nothing_to_tell(model):
    """Only content counts."""
    watch = ModelWatch([model])
    model.path.write_bytes(model.path.read_bytes())
    assert watch.look() == []


def test_a_removed_file_is_told(model):
    """What is loaded keeps running, and the cure is named."""
    watch = ModelWatch([model])
    model.path.unlink()
    (swapped,) = watch.look()
    assert "gone" in str(swapped)
    assert "edged models pull" in str(swapped)


def test_a_swapped_model_never_gets_the_old_engine(store, model, fake):
    """The engine of the old file is stale for the new one, and serves again when it is back."""
    make(store, Order(model, fake()))
    watch = ModelWatch([model])
    old = model.path.read_bytes()
    model.path.write_bytes(old + b"\x32\x01x")  # a doc string: another file, the same graph
    (swapped,) = watch.look()
    now = Model(model.recipe, model.path, swapped.sha256, model.calibration)
    missing = store.best(now, fake())
    assert isinstance(missing, Missing)
    assert missing.state == "stale"
    model.path.write_bytes(old)
    assert isinstance(store.best(model, fake()), Found)
