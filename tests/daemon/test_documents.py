"""Documents for the uplink: their form, and figures with units."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest
from device_kit import device

from edged.config import loads
from edged.daemon import documents
from edged.privacy.isolation import Isolation
from edged.recipe import load_recipe
from edged.runtime.session import RuntimeChoice
from edged.transport.wire import VERSION
from edged.transport.wire_info import InfoDoc


def test_a_status_says_state_and_since_when():
    """The form that the uplink checks."""
    doc = msgspec.json.decode(documents.status("degraded", "uplink-absent", 7, "boot"))
    assert (doc["state"], doc["reason"], doc["since_ms"], doc["boot"]) == (
        "degraded", "uplink-absent", 7, "boot",
    )  # fmt: skip
    assert doc["v"] == VERSION


@pytest.mark.parametrize("data", [None, {"rows": 3}])
def test_an_event_carries_its_numbers(data):
    """Or none."""
    doc = msgspec.json.decode(documents.event("outbox-damaged", "keys", data))
    assert (doc["event"], doc["reason"]) == ("outbox-damaged", "keys")
    assert doc["data"] == (data or {})


@pytest.fixture
def config(tmp_path):
    photo = tmp_path / "secret-name.png"
    return loads(device("models", photo=photo), tmp_path / "edged.toml")


SWAPPER_ON = RuntimeChoice(
    "tensorrt", "fp16-planned", "tensorrt is the best here", wished=True,
    engine={"status": "accepted", "figures": {"psnr_db": 51.0}},
)  # fmt: skip


def info(config):
    kit = SimpleNamespace(
        recipes={
            name: load_recipe(name)
            for name in ("builtin_detector", "builtin_swapper", "crossface_ghost")
        },
        choice=RuntimeChoice("cpu", "fp32", "the default", wished=True),
        serving=SimpleNamespace(models={"builtin_swapper": SWAPPER_ON}),
        residency=SimpleNamespace(runtime="", reason="no room in /var/lib/edged/x"),
        host_scenes={"hide": "it asks for much"},
        hashes={"builtin_swapper": "5e44"},
        calibrated=True,
        stages=SimpleNamespace(detectors=[SimpleNamespace(family="haar")]),
    )
    found = Isolation("namespace", {"netns": "own"})
    said = documents.info(
        config, kit, found, boot="boot", session="session", receipt_key="ed25519:k", c2pa={}
    )
    assert msgspec.json.encode(msgspec.json.decode(said, type=InfoDoc)) == said, "readers' form"
    return msgspec.json.decode(said)


def test_info_says_what_runs_and_what_it_promises(config):
    """Models and licences, runtime, guard, isolation, and what a disguise does not hide."""
    doc = info(config)
    assert doc["v"] == VERSION
    assert doc["ts_ms"] > 1_600_000_000_000
    assert doc["models"]["builtin_swapper"]["builtin"] is True
    assert doc["models"]["builtin_swapper"]["licence"]
    assert doc["runtime"]["name"] == "cpu"
    assert doc["guard"]["calibrated"] is True
    assert doc["guard"]["families"] == ["haar"]
    assert doc["guard"]["settings"]["det_thresh"] == config.guard.det_thresh
    assert doc["isolation"] == {"mode": "namespace", "proof": {"netns": "own"}}
    assert "does not hide hair" in doc["hides"]
    assert doc["cameras"] == {"booth": "hide"}


def test_info_says_what_runs_each_model(config):
    """Runtime, precision, what was seen of its engine, and that nobody has seen more."""
    found = info(config)["models"]["builtin_swapper"]["runtime"]
    assert (found["name"], found["precision"]) == ("tensorrt", "fp16-planned")
    assert found["engine"] == {"status": "accepted", "figures": {"psnr_db": 51.0}}
    assert found["unproven"].startswith("native TensorRT: unproven")
    assert "unproven" not in info(config)["runtime"]


def test_info_says_that_converters_run_on_the_cpu(config):
    """Whatever the networks that work on frames run on."""
    found = info(config)["models"]["crossface_ghost"]["runtime"]
    assert (found["name"], found["reason"]) == ("cpu", "a converter runs once a person")


def test_info_says_where_frames_are_worked_on(config):
    """And why not on the device; folders of the box are left out."""
    assert info(config)["resident"] == {
        "runtime": "",
        "reason": "no room in x",
        "host_scenes": {"hide": "it asks for much"},
    }


def test_info_names_no_person_s_file(config):
    """Identities' photos and folders of the box stay on the box."""
    text = str(info(config))
    assert "secret-name" not in text
    assert str(config.models.folder) not in text


def test_info_tells_the_hash_of_the_file_that_a_model_was_loaded_from(config):
    """Empty for what has no file."""
    found = info(config)["models"]
    assert found["builtin_swapper"]["sha256"] == "5e44"
    assert found["builtin_detector"]["sha256"] == ""


def test_a_package_that_is_absent_has_no_version():
    """It is left out of `info`."""
    assert documents._version("no-such-package-of-ours") == ""
