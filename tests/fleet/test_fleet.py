"""A fleet: what it takes from the broker, what it keeps of it, whom it puts first."""

from __future__ import annotations

import json

import fleet_kit as kit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.fleet.alerts import SILENT_S, Severity, alerts
from edged.fleet.fleet import Fleet
from edged.fleet.history import LENGTH
from edged.fleet.messages import FILTERS, MAX_DOC_BYTES, MAX_IMAGE_BYTES, read
from edged.troubles import RECENT_S

BASE = "edged/museum/booth-7"


def fleet_of(*messages, now_s=100.0, **options):
    fleet = Fleet(**options)
    for topic, payload in messages:
        fleet.feed(f"{BASE}/{topic}", payload, now_s)
    return fleet


def slugs(fleet, now_s=100.0):
    return [alert.slug for alert in alerts(fleet.devices["museum/booth-7"], now_s)]


def test_a_device_is_known_by_what_it_said_last():
    """Status, health and info are kept, events too."""
    fleet = fleet_of(
        ("status", kit.status()), ("health", kit.health(fps=9.0)), ("event", kit.event()),
        ("info", kit.info()),
    )  # fmt: skip
    device = fleet.devices["museum/booth-7"]
    assert (device.state, device.health.fps, device.info.edged) == ("online", 9.0, "1.0")
    assert [doc.event for _at, doc in device.events] == ["guard-refused"]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("edged/museum/booth-7/status", b"\xff\xfe"),
        ("edged/museum/booth-7/status", b'{"v":1,"state":"fine"}'),
        ("edged/museum/booth-7/status/more", b"{}"),
        ("edged/museum/booth-7/cmd/ping", b"{}"),
        ("edged/museum/<script>/status", kit.status()),
        ("edged/museum/booth-7/result/<b>", kit.result()),
        ("edged/../booth-7/status", kit.status()),
        ("edged/museum/status", kit.status()),
        ("other/museum/booth-7/status", kit.status()),
        ("edged/museum/booth-7/image/booth", b"GIF89a"),
        ("edged/museum/booth-7/image/booth", b"\xff\xd8\xff" + bytes(MAX_IMAGE_BYTES)),
        ("edged/museum/booth-7/info", b'{"a":"' + b"x" * MAX_DOC_BYTES + b'"}'),
        ("edged/museum/booth-7/info", b"[" * 100_000),
        ("edged/museum/booth-7/info", b'{"v":1,"ts_ms":1,"clock_synced":true}'),
        ("edged/museum/booth-7/info", kit.info(models={"m": {"licence": "l"}})),
        ("edged/museum/booth-7/info", b'{"a":' * 20_000),
        ("", b""),
    ],
)
def test_what_is_no_devices_message_is_left(topic, payload):
    """Nothing of it is kept, and nothing is raised."""
    fleet = Fleet()
    assert fleet.feed(topic, payload, 0.0) is None
    assert (fleet.devices, fleet.unread) == ({}, bool(payload))


@given(st.text(max_size=60), st.binary(max_size=200))
def test_no_message_breaks_the_reader(topic, payload):
    """Whatever topic and payload."""
    read(topic, payload)
    read(f"{BASE}/health", payload)


def test_every_kind_is_subscribed_to_and_commands_are_not():
    """The filters are those of design, one a kind."""
    kinds = {one.split("/")[3] for one in FILTERS}
    assert kinds == {"status", "info", "health", "event", "result", "image", "gap", "reply"}


def test_a_picture_is_shown_with_its_result():
    """The JPEG comes first, and alone is not shown."""
    fleet = fleet_of(("image/booth", kit.JPEG))
    device = fleet.devices["museum/booth-7"]
    assert device.pictures == {}
    fleet.feed(f"{BASE}/result/booth", kit.result("new", 5), 1.0)
    assert (device.pictures["booth"].jpeg, device.pictures["booth"].result.id) == (kit.JPEG, "new")


def test_a_picture_that_has_not_the_result_s_hash_is_not_shown():
    """The result is, alone."""
    fleet = fleet_of(("image/booth", kit.JPEG + b"x"), ("result/booth", kit.result("new", 5)))
    picture = fleet.devices["museum/booth-7"].pictures["booth"]
    assert (picture.jpeg, picture.result.id) == (b"", "new")


def test_a_replay_does_not_replace_a_newer_picture():
    """A historical result is old, however late it comes."""
    fleet = fleet_of(
        ("image/booth", kit.JPEG), ("result/booth", kit.result("new", 5)),
        ("image/booth", kit.JPEG), ("result/booth", kit.result("old", 2, historical=True)),
    )  # fmt: skip
    assert fleet.devices["museum/booth-7"].pictures["booth"].result.id == "new"


def test_pictures_of_all_devices_are_bounded():
    """The least recent one gives way, its result stays."""
    fleet = Fleet(max_pictures_bytes=5 * len(kit.JPEG))
    for n in range(9):
        fleet.feed(f"edged/s/d{n}/image/booth", kit.JPEG, n)
        fleet.feed(f"edged/s/d{n}/result/booth", kit.result(f"r{n}"), n)
    kept = [n for n in range(9) if fleet.devices[f"s/d{n}"].pictures["booth"].jpeg]
    assert kept == [4, 5, 6, 7, 8]
    assert fleet.devices["s/d0"].pictures["booth"].result.id == "r0"


def test_invented_devices_are_bounded():
    """Beyond the bound they are counted and not kept."""
    fleet = Fleet(max_devices=3)
    for n in range(10):
        fleet.feed(f"edged/s/d{n}/status", kit.status(), 0.0)
    assert (len(fleet.devices), fleet.left_out) == (3, 7)


def test_history_is_an_hour_oldest_first():
    """Older points give way; unknown figures are left out."""
    fleet = Fleet()
    for n in range(LENGTH + 7):
        fleet.feed(f"{BASE}/health", kit.health(fps=float(n)), float(n))
    history = fleet.devices["museum/booth-7"].history
    assert len(history) == LENGTH
    assert [at_s for at_s, _ in history.series("fps")] == [float(n) for n in range(7, LENGTH + 7)]
    assert history.series("gpu_temp_c") == []
    assert history.stages == {"swap": 4.0}


def test_who_needs_help_comes_first():
    """Offline before degraded before paused before online."""
    fleet = Fleet()
    for name, state, reason in (
        ("d", "online", "ok"), ("c", "paused", "command"), ("b", "degraded", "disk"),
        ("a-last-by-name", "online", "ok"), ("z", "offline", "connection-lost"),
    ):  # fmt: skip
        fleet.feed(f"edged/s/{name}/status", kit.status(state, reason), 0.0)
    order = [device.name for device, _alerts in fleet.ranked(1.0)]
    assert order == ["z", "b", "c", "a-last-by-name", "d"]


@pytest.mark.parametrize(
    ("messages", "slug"),
    [
        ([("status", kit.status("offline", "connection-lost"))], "offline"),
        ([("status", kit.status("degraded", "engine-silent"))], "degraded"),
        ([("status", kit.status("paused", "command"))], "paused"),
        ([("info", kit.info(wished=False))], "fallback"),
        ([("status", kit.status()), ("health", kit.health(cpu_temp_c=96.0))], "hot"),
        ([("status", kit.status()), ("health", kit.health(gpu_temp_c=91.0))], "hot"),
        ([("status", kit.status()), ("health", kit.health(depth=9, oldest_s=900.0))],
         "outbox-ageing"),
        ([("health", kit.health(clock_synced=False))], "clock"),
        ([("gap/booth", kit.gap())], "gaps"),
        ([("health", kit.health(shown=10)), ("health", kit.health(shown=12, refused=6))],
         "refusals"),
    ],
)  # fmt: skip
def test_each_trouble_has_its_alert(messages, slug):
    """With a sentence and a remedy; and a device without trouble has none."""
    fleet = fleet_of(*messages)
    found = alerts(fleet.devices["museum/booth-7"], 100.0)
    assert [alert.slug for alert in found] == [slug]
    assert all(alert.text and alert.remedy for alert in found)
    assert slugs(fleet_of(("status", kit.status()), ("health", kit.health(shown=9)))) == []


def test_an_online_device_that_says_nothing_is_an_alert():
    """Its last will never came: the uplink may hang."""
    fleet = fleet_of(("status", kit.status()), ("health", kit.health()), now_s=100.0)
    assert slugs(fleet, 100.0 + SILENT_S) == []
    assert slugs(fleet, 101.0 + SILENT_S) == ["silent"]


def test_alerts_of_the_past_go_away():
    """Gaps and refusals count for ten minutes; a purge is no alert at all."""
    fleet = fleet_of(("gap/booth", kit.gap()))
    assert slugs(fleet, 100.0 + RECENT_S + 1) == []
    assert slugs(fleet_of(("gap/booth", kit.gap(reason="purge")))) == []


def test_the_engines_own_remedy_is_told():
    """A degraded device says itself what to do."""
    fleet = fleet_of(("status", kit.status("degraded", "x-broke")))
    doc = json.loads(kit.health())
    doc["remedies"] = {"x-broke": "Turn it."}
    fleet.feed(f"{BASE}/health", json.dumps(doc).encode(), 100.0)
    (alert,) = alerts(fleet.devices["museum/booth-7"], 100.0)
    assert (alert.remedy, alert.severity) == ("Turn it.", Severity.WARNING)


def test_everything_that_is_wrong_is_told_and_not_the_first_alone():
    """Each once; where the device says no remedy, as an older one, it is looked up here."""
    fleet = fleet_of(("status", kit.status("degraded", "uplink-absent")))
    doc = json.loads(kit.health())
    doc["troubles"] = {"uplink": "uplink-absent", "watch-disk": "disk-nearly-full"}
    fleet.feed(f"{BASE}/health", json.dumps(doc).encode(), 100.0)
    said = alerts(fleet.devices["museum/booth-7"], 100.0)
    assert [one.text for one in said] == ["Degraded: uplink-absent.", "Degraded: disk-nearly-full."]
    assert "Make room" in said[1].remedy


def test_a_device_whose_retained_status_is_taken_back_is_gone():
    """That is how an operator takes a device off the broker."""
    fleet = fleet_of(("status", kit.status()))
    fleet.feed(f"{BASE}/status", b"", 1.0)
    assert fleet.devices == {}


def test_a_counter_that_began_anew_has_not_grown():
    """The engine was restarted in between."""
    fleet = Fleet()
    for at_s, shown in ((0.0, 50), (10.0, 80), (20.0, 3)):
        fleet.feed(f"{BASE}/health", kit.health(shown=shown), at_s)
    history = fleet.devices["museum/booth-7"].history
    assert (history.increase("answered", 0.0), history.increase("answered", 15.0)) == (0.0, 0.0)
    fleet.feed(f"{BASE}/health", kit.health(shown=9), 30.0)
    assert history.increase("answered", 15.0) == 6.0


def test_a_forgotten_device_comes_back_when_it_speaks():
    """And takes its pictures along."""
    fleet = fleet_of(("image/booth", kit.JPEG), ("result/booth", kit.result()))
    fleet.forget("museum/booth-7")
    assert fleet.devices == {}
    assert fleet.feed(f"{BASE}/status", kit.status(), 1.0).pictures == {}
