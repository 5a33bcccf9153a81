"""What a changed configuration takes: nothing, a moment between two frames, or a restart."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edged.config import loads
from edged.daemon.reloading import keys_of, plan
from edged.errors import ConfigError

TOML = """
[device]
name = "booth-1"
[cameras.door]
scene = "live"
[scenes.live]
mode = "disguise"
identities = ["actor"]
[identities.actor]
photos = ["builtin:character"]
"""
BARE = SimpleNamespace(occluder=None, parser=None, landmarker=None, liveness=None)


@pytest.fixture
def load(tmp_path):
    return lambda text: loads(text, tmp_path / "edged.toml")


def test_the_same_is_nothing(load):
    """However often it is read."""
    found = plan(load(TOML), load(TOML), BARE)
    assert (found.live, found.engine, found.uplink) == ((), (), ())


@pytest.mark.parametrize(
    ("more", "live", "engine", "uplink"),
    [
        ("[scenes.live.mask]\nshape = 'box'", {"scenes.live.mask.shape"}, set(), set()),
        ("[guard]\nhold_ms = 900", {"guard.hold_ms"}, set(), set()),
        ("[guard]\ndet_thresh = 0.4", set(), {"guard.det_thresh"}, set()),
        ("[outbox]\nmax_bytes = 99000000", {"outbox.max_bytes"}, set(), set()),
        ("[outbox]\nfolder = 'elsewhere'", set(), {"outbox.folder"}, set()),
        ("[frames]\ndeadline_ms = 900", set(), {"frames.deadline_ms"}, set()),
        ("[frames]\nopen_to_group = true", set(), {"frames.open_to_group"}, set()),
        ("[broker]\nkeepalive_s = 9", set(), set(), {"broker.keepalive_s"}),
        ("[health]\nperiod_s = 60.0", {"health.period_s"}, set(), {"health.period_s"}),
        ("[scenes.two]\nmode = 'disguise'\nidentities = ['actor']", {"scenes.two"}, set(), set()),
        ("[identities.b]\nphotos = ['builtin:kim']", {"identities.b"}, set(), set()),
        ("[isolation]\nmode = 'off'", set(), {"isolation.mode"}, set()),
    ],
)
def test_each_key_has_its_price(load, more, live, engine, uplink):
    """By its name."""
    found = plan(load(TOML), load(TOML + more), BARE)
    assert (set(found.live), set(found.engine), set(found.uplink)) == (live, engine, uplink)
    assert found.of_frames is bool(live - {"outbox.max_bytes", "health.period_s"})


def test_a_scene_that_needs_other_networks_waits(load):
    """Those that it asks for are loaded at the start alone."""
    new = TOML.replace("[identities", "pixel_boost_px = 256\n[identities")
    assert plan(load(TOML), load(new), BARE).engine == ("scenes.live.pixel_boost_px",)


def test_only_keys_are_told():
    """Of a problem its key stays, of anything else nothing."""
    error = ConfigError(
        '/x/edged.toml: broker.port = "canary": needs a number', "identities.a.photos[0]: no face",
        "line 7: canary", "/x/edged.toml: [canary is no table", "identities.a.photos[0]: again",
    )  # fmt: skip
    keys = keys_of(error, "/x/edged.toml")
    assert keys == ["broker.port", "identities.a.photos[0]"]
