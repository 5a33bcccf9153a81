"""Health: states and their order, counters, percentiles, units."""

from __future__ import annotations

import re
import threading

import msgspec
import pytest

from edged.faces import Touch
from edged.health import FPS_WINDOW_S, Health
from edged.verdicts import Reason, Verdict


@pytest.fixture
def health():
    return Health(started_s=100.0, ts_ms=5000)


def done(health, verdict=Verdict.SHOWN, reason=Reason.OK, now_s=101.0, latency_ms=10.0, **more):
    health.frame_done("booth", verdict, reason, now_s=now_s, latency_ms=latency_ms, **more)


def document(health, now_s=110.0):
    made = health.document(now_s=now_s, ts_ms=1, clock_synced=True)
    return msgspec.to_builtins(made)


def test_a_pause_hides_trouble_and_trouble_hides_online(health):
    """Paused before degraded before online."""
    assert health.state(1)[:2] == ("online", "ok")
    health.trouble("uplink", "uplink-absent")
    assert health.state(2)[:2] == ("degraded", "uplink-absent")
    health.pause(paused=True)
    assert health.state(3)[:2] == ("paused", "command")
    health.pause(paused=False)
    assert health.state(4)[:2] == ("degraded", "uplink-absent")
    health.trouble("uplink", None)
    assert health.state(5)[:2] == ("online", "ok")


def test_one_trouble_that_ends_leaves_the_other(health):
    """The reason is the first by name, and never empties while there is one."""
    health.trouble("b", "second")
    health.trouble("a", "first")
    assert health.state(1)[1] == "first"
    health.trouble("a", None)
    health.trouble("never-there", None)
    assert health.state(2)[1] == "second"


def test_a_state_keeps_the_time_since_when_it_holds(health):
    """Asking again does not make it younger; another reason does."""
    assert health.state(7000)[2] == 7000
    assert health.state(9000)[2] == 7000
    health.trouble("a", "first")
    assert health.state(9500)[2] == 9500


def test_percentiles_are_those_of_the_latencies(health):
    """1 to 100 ms: the middle, the 95th, the 99th and the largest, within a bucket."""
    for latency in range(1, 101):
        done(health, latency_ms=float(latency))
    found = document(health)
    assert found["latency_p50_ms"] == pytest.approx(50, rel=0.01)
    assert found["latency_p95_ms"] == pytest.approx(95, rel=0.01)
    assert found["latency_p99_ms"] == pytest.approx(99, rel=0.01)
    assert found["latency_max_ms"] == pytest.approx(100, rel=0.01)


def test_old_latencies_are_forgotten_and_stay_counted(health):
    """A slow start does not haunt the percentiles of later; the counts since then add up."""
    done(health, now_s=101.0, latency_ms=900.0)
    done(health, now_s=300.0, latency_ms=10.0)
    found = document(health, now_s=301.0)
    assert found["latency_max_ms"] == pytest.approx(10, rel=0.01)
    counts = dict(zip(found["latency"]["le_ms"], found["latency"]["counts"], strict=True))
    assert (found["latency"]["count"], counts[10], counts[500], counts[1000]) == (2, 1, 1, 2)


def test_refused_frames_count_and_have_no_latency(health):
    """Latency and frame rate are of pictures that went somewhere."""
    done(health, Verdict.REFUSED, Reason.NO_FACE, latency_ms=999.0)
    found = document(health)
    assert "latency_p50_ms" not in found
    assert found["fps"] == 0
    assert found["verdicts"] == {"refused": 1}
    assert found["reasons"] == {"no-face": 1}


def test_the_frame_rate_is_of_the_last_seconds(health):
    """Frames older than the window do not count."""
    for n in range(50):
        done(health, now_s=101.0 + n / 100)
    assert document(health, now_s=100.0 + FPS_WINDOW_S)["fps"] == 5
    assert document(health, now_s=200.0)["fps"] == 0


def test_a_stage_shows_wall_and_session_time(health):
    """Both belong to the stage's name."""
    done(health, stages_ms={"swap": 12.0}, session_ms={"swap": 8.0})
    stage = document(health)["stages"]["swap"]
    assert stage["wall_p50_ms"] == pytest.approx(12, rel=0.01)
    assert stage["session_p50_ms"] == pytest.approx(8, rel=0.01)


def test_what_the_guard_did_adds_up(health):
    """Two frames, one with a refilled face."""
    health.guarded(looks=6, swapped=2, filled=0, refilled=0, faces=2, embedded=2)
    health.guarded(looks=12, swapped=1, filled=1, refilled=1, faces=2, embedded=1)
    assert document(health)["guard"] == {
        "frames": 2, "looks": 18, "swapped": 3, "filled": 1, "refilled": 1,
        "faces": 4, "embeds": 3, "embeds_per_face": 0.75,
    }  # fmt: skip


def test_a_silent_camera_shows_its_age(health):
    """Seconds since the last frame of each camera, and its own frame rate."""
    done(health, now_s=101.0)
    found = document(health, now_s=131.0)["cameras"]
    assert found == {"booth": {"last_frame_age_s": 30.0, "fps": 0.0}}
    done(health, now_s=131.0)
    health.frame_done("door", Verdict.SHOWN, Reason.OK, now_s=131.0, latency_ms=1.0)
    health.frame_done("door", Verdict.REFUSED, Reason.NO_FACE, now_s=131.0, latency_ms=1.0)
    assert [one["fps"] for one in document(health, 132.0)["cameras"].values()] == [0.1, 0.1]


def test_what_to_do_stands_beside_what_is_wrong(health):
    """A remedy for each reason, gone with it."""
    health.trouble("uplink", "uplink-absent")
    assert "edged-uplink" in document(health)["remedies"]["uplink-absent"]
    health.trouble("uplink", None)
    assert "remedies" not in document(health)


def test_every_time_has_its_unit(health):
    """A key of a duration ends in its unit."""
    done(health, stages_ms={"swap": 1.0}, session_ms={"swap": 1.0})
    found = document(health)
    keys = [*found, *found["stages"]["swap"], *found["cameras"]["booth"]]
    times = [k for k in keys if re.search(r"latency_|wall_|session_|_age_|uptime_", k)]
    assert len(times) >= 12
    assert all(re.search(r"_(ms|s)$", k) for k in times)


def test_threads_lose_no_frame(health):
    """Counted from several threads, read by another."""
    threads = [
        threading.Thread(target=lambda: [done(health) for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(t.is_alive() for t in threads):
        document(health)
    assert document(health)["verdicts"] == {"shown": 2000}


def test_what_restoring_did_adds_up(health):
    """By kind, and how many faces were given less for the sake of the bound."""
    health.restored([Touch("anew", 0.8, 0.1), Touch("anew", 0.5, 0.3, eased=True)])
    health.restored([Touch("kept", 0.8, 0.1), Touch("small")])
    assert document(health)["restore"] == {"anew": 2, "eased": 1, "kept": 1, "small": 1}
