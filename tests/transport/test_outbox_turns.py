"""After days offline: a large backlog leaves fast, cameras in turns, and nobody new waits."""

from __future__ import annotations

from collections import Counter

import msgspec
import psutil
import pytest
from outbox_kit import Clock, fill, put

from edged.transport.outbox import Outbox

DAY_S = 86_400.0
ALL = 65_535
"""What MQTT clients that queue by packet id can hold at most."""


@pytest.fixture
def clock():
    return Clock()


def open_box(folder, clock):
    return Outbox.open(folder, clock=clock.wall, steady=clock.steady)


def window(box, size=12):
    """(camera, number, historical) of what is handed out next; all of it acknowledged."""
    rows = [box.load(number) for number in box.pending(size)]
    docs = [msgspec.json.decode(row.doc_json) for row in rows]
    box.ack(*(row.row for row in rows))
    return [(d["camera"], d["seq"], d["historical"]) for d in docs]


def test_cameras_take_turns_in_a_backlog(tmp_path, clock):
    """One that made a thousand pictures does not keep the other two waiting."""
    box = open_box(tmp_path / "o", clock)
    fill(box, 1000, ("atrium",))
    fill(box, 10, ("booth", "door"))
    clock.pass_s(3 * DAY_S)
    box.enforce()
    found = [window(box, 3) for _ in range(5)]
    assert all({camera for camera, _, _ in three} == {"atrium", "booth", "door"} for three in found)
    assert [seq for three in found for camera, seq, _ in three if camera == "booth"] == [
        1, 2, 3, 4, 5,
    ]  # fmt: skip
    assert all(historical for three in found for *_, historical in three)
    assert [camera for camera, *_ in window(box, 5)] == ["atrium"] * 5
    box.close()


def test_a_turn_is_kept_when_rows_are_asked_for_one_by_one(tmp_path, clock):
    """As a full window does that has room for one at a time."""
    box = open_box(tmp_path / "o", clock)
    fill(box, 60, ("atrium", "booth", "door"))
    clock.pass_s(DAY_S)
    counted = Counter(window(box, 1)[0][0] for _ in range(30))
    assert set(counted.values()) == {10}
    box.close()


def test_a_new_shot_goes_out_beside_the_backlog(tmp_path, clock):
    """At once, and every second row is of the backlog all the same."""
    box = open_box(tmp_path / "o", clock)
    fill(box, 500)
    clock.pass_s(3 * DAY_S)
    for _ in range(10):
        put(box)
    found = window(box, 20)
    assert [seq for _, seq, historical in found if not historical] == list(range(501, 511))
    assert [seq for _, seq, historical in found if historical] == list(range(1, 11))
    assert window(box, 2)[0][1] == 11
    box.close()


def test_without_a_backlog_rows_leave_in_the_order_in_which_they_were_made(tmp_path, clock):
    """Whatever camera they are of."""
    box = open_box(tmp_path / "o", clock)
    for camera in ("door", "booth", "booth", "atrium", "door"):
        put(box, camera)
    assert [camera for camera, *_ in window(box)] == ["door", "booth", "booth", "atrium", "door"]
    box.close()


def test_what_is_with_the_uplink_is_in_nobody_s_way(tmp_path, clock):
    """Rows in flight shorten neither lane."""
    box = open_box(tmp_path / "o", clock)
    fill(box, 100, ("booth", "door"))
    clock.pass_s(DAY_S)
    put(box)
    taken = set(box.pending(40))
    more = box.pending(40, taken)
    assert len(more) == 40
    assert not taken & set(more)
    box.close()


def test_rows_that_are_asked_for_again_wait_for_all_others(tmp_path, clock):
    """A replay is history that somebody has time for."""
    box = open_box(tmp_path / "o", clock)
    fill(box, 4)
    clock.pass_s(DAY_S)
    window(box, 4)
    box.replay("booth", 1, 4)
    put(box)
    assert [seq for _, seq, _ in window(box)] == [5, 1, 2, 3, 4]
    box.close()


def test_a_backlog_of_65535_is_opened_and_handed_out_in_bounded_memory(tmp_path, clock):
    """No row is in memory that is not being handed out."""
    box = open_box(tmp_path / "o", clock)
    fill(box, ALL, ("atrium", "booth", "door"))
    box.close()
    clock.pass_s(DAY_S)
    before_mb = psutil.Process().memory_info().rss / 2**20
    box = open_box(tmp_path / "o", clock)
    assert box.stats().depth == ALL
    put(box)
    counted = Counter(camera for _ in range(10) for camera, *_ in window(box, 30))
    assert set(counted.values()) <= {100, 101, 99}
    assert box.stats().depth == ALL + 1 - 300
    grown_mb = psutil.Process().memory_info().rss / 2**20 - before_mb
    assert grown_mb < 80, grown_mb
    box.close()
