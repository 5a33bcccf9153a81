"""Checks of the running device: each sets its reason and clears it by itself."""

from __future__ import annotations

import msgspec
import pytest

from edged.config import loads
from edged.daemon.checks import ALL
from edged.daemon.checks.check import Check
from edged.daemon.checks.runner import LOOK_S, Runner
from edged.health import Health
from edged.transport.wire_health import CameraFigures, OutboxFigures, UplinkFigures

CONFIG = """
[device]
name = "booth-1"
site = "test"
[cameras.booth]
scene = "hide"
[scenes.hide]
mode = "disguise"
identities = ["actor"]
[identities.actor]
photos = ["builtin:character"]
[models]
folder = "models"
[health]
camera_silent_s = 60.0
[outbox]
min_free_bytes = 1000
"""


class Device:
    """A device of made-up figures, whose time is told."""

    def __init__(self, folder, checks=ALL):
        self.config = loads(CONFIG, folder / "edged.toml")
        self.health = Health(0.0, 0)
        self.figures = {"clock_synced": True}
        self.now_s = 1000.0
        self._runner = Runner(self.health, self._document, checks)

    def _document(self):
        made = self.health.document(now_s=self.now_s, ts_ms=0, clock_synced=True)
        return msgspec.structs.replace(made, **self.figures)

    def run(self, seconds, **figures):
        """Let time pass with such figures; the state's reason after it."""
        self.figures |= figures
        for _ in range(int(seconds / LOOK_S) + 1):
            self._runner.tick(self.now_s, self.config)
            self.now_s += LOOK_S
        return self.health.state(0)[1]


@pytest.fixture
def device(tmp_path):
    return Device(tmp_path)


def outbox(**figures):
    return OutboxFigures(**{"disk_free_bytes": 1 << 30, "max_bytes": 1000, **figures})


OLD = {"outbox": outbox(depth=3, oldest_unsent_s=400.0)}
CONNECTED = UplinkFigures(connected=True, published=7)

CASES = [
    # reason, wrong figures, figures between the two bars, good ones, longest time to set
    ("hot-cpu", {"cpu_temp_c": 90.0}, {"cpu_temp_c": 86.0}, {"cpu_temp_c": 84.0}, 15),
    ("hot-gpu", {"gpu_temp_c": 87.0}, {"gpu_temp_c": 83.0}, {"gpu_temp_c": 81.0}, 15),
    ("throttled", {"throttled": True}, {}, {"throttled": False}, 30),
    ("gpu-memory-errors", {"gpu_ecc_errors": 1}, {}, {"gpu_ecc_errors": 0}, 0),
    ("memory-nearly-gone", {"memory_available_mb": 150.0}, {"memory_available_mb": 249.0},
     {"memory_available_mb": 251.0}, 15),
    ("disk-nearly-full", {"outbox": outbox(disk_free_bytes=2000)},
     {"outbox": outbox(disk_free_bytes=2400)}, {"outbox": outbox(disk_free_bytes=2600)}, 0),
    ("outbox-nearly-full", {"outbox": outbox(unsent_bytes=800)},
     {"outbox": outbox(unsent_bytes=750)}, {"outbox": outbox(unsent_bytes=690)}, 0),
    ("results-not-taken", {**OLD, "uplink": CONNECTED}, {},
     {"uplink": UplinkFigures(connected=True, published=8)}, 123),
    ("disk-worn", {"disk_wear_percent": 90.0}, {}, {"disk_wear_percent": 80.0}, 0),
    ("clock-not-synchronised", {"clock_synced": False}, {}, {"clock_synced": True}, 900),
    ("camera-silent", {"cameras": {"booth": CameraFigures(last_frame_age_s=61.0)}}, {},
     {"cameras": {"booth": CameraFigures(last_frame_age_s=1.0)}}, 0),
    ("guard-refuses-much",
     {"verdicts": {"queued": 10, "refused": 10}, "reasons": {"face-unchanged": 10}},
     {"verdicts": {"queued": 14, "refused": 10}, "reasons": {"face-unchanged": 10}},
     {"verdicts": {"queued": 16, "refused": 10}, "reasons": {"face-unchanged": 10}}, 0),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_a_check_sets_its_reason_and_clears_it(device, case):
    """Not before its time, not by a figure that is only a little better, and by itself."""
    reason, wrong, between, good, sets_after_s = case
    assert device.run(3, verdicts={}, reasons={}) == "ok"
    if sets_after_s:
        assert device.run(sets_after_s - 6, **wrong) == "ok"
    assert device.run(9, **wrong) == reason
    assert device.run(60, **between) == reason
    assert device.run(60, **good) == "ok"


def test_every_reason_of_every_check_is_tried_here():
    """A new check brings its case along."""
    assert {reason for check in ALL for reason in check.reasons} == {case[0] for case in CASES}


@pytest.mark.parametrize(
    "figures",
    [
        {"uplink": UplinkFigures(connected=False, published=7)},
        {"uplink": CONNECTED, "outbox": outbox(depth=3, oldest_unsent_s=200.0)},
        {"uplink": CONNECTED, "outbox": outbox(depth=0, oldest_unsent_s=400.0)},
    ],
)
def test_results_that_may_wait_are_no_trouble(device, figures):
    """Without a connection, while they are young, or when there are none."""
    assert device.run(300, **{**OLD, **figures}) == "ok"


def test_refusals_that_visitors_cause_are_no_trouble(device):
    """Nobody in the picture is nobody's fault."""
    device.run(0, verdicts={}, reasons={})
    assert device.run(30, verdicts={"refused": 50}, reasons={"no-face": 50}) == "ok"


def test_refusals_of_long_ago_are_forgotten(device):
    """Ten minutes without new ones, and the state is well again."""
    device.run(0, verdicts={}, reasons={})
    bad = {"verdicts": {"refused": 50}, "reasons": {"face-unchanged": 50}}
    assert device.run(9, **bad) == "guard-refuses-much"
    assert device.run(640, **bad) == "ok"


def test_a_trusted_clock_is_not_asked(device):
    """The operator has said so."""
    trusting = msgspec.structs.replace(device.config.broker, clock="trust")
    device.config = msgspec.structs.replace(device.config, broker=trusting)
    assert device.run(1000, clock_synced=False) == "ok"


def test_a_camera_may_be_silent_where_nothing_else_is_configured(device):
    """Between two visitors a booth sends nothing."""
    usual = msgspec.structs.replace(device.config.health, camera_silent_s=0.0)
    device.config = msgspec.structs.replace(device.config, health=usual)
    silent = {"cameras": {"booth": CameraFigures(last_frame_age_s=9000.0)}}
    assert device.run(30, **silent) == "ok"


def test_a_figure_near_its_limit_does_not_make_the_state_flicker(tmp_path):
    """It must be wrong for a while, and well for a while."""
    wrong = [""]
    check = Check("x", ("bad",), lambda _seen, _lit: wrong[0], 10.0, 10.0)
    device = Device(tmp_path, (check,))
    for now in ("bad", "", "bad", "", "bad"):
        wrong[0] = now
        assert device.run(3) == "ok"
    assert device.run(12) == "bad"
    for now in ("", "bad", "", "bad"):
        wrong[0] = now
        assert device.run(3) == "bad"
    wrong[0] = ""
    assert device.run(12) == "ok"


def test_what_the_engine_says_of_itself_comes_first(device):
    """A warm board does not hide that nothing is published."""
    device.run(30, cpu_temp_c=95.0)
    device.health.trouble("uplink", "uplink-absent")
    assert device.health.state(0)[1] == "uplink-absent"
