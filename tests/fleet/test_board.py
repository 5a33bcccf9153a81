"""The board: what the overview shows, by page, search and alert."""

from __future__ import annotations

import fleet_kit as kit
import pytest

from edged.fleet.alerts import SILENT_S
from edged.fleet.board import PAGE, STALE_S, Board
from edged.fleet.fleet import Fleet


class Clock:
    """Stands until it is moved."""

    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def board_of(clock, count=0):
    board = Board(Fleet(), clock)
    for n in range(count):
        board.heard(f"edged/museum/booth-{n}/status", kit.status())
    return board


def test_a_row_has_what_an_operator_looks_for(clock):
    """State, figures with units, what it runs on; a dash for what is not known."""
    board = board_of(clock, 1)
    board.heard("edged/museum/booth-0/info", kit.info())
    health = kit.health(
        depth=3, oldest_s=12.0, shown=5, refused=2, latency_p95_ms=41.7, cpu_temp_c=55.2
    )
    board.heard("edged/museum/booth-0/health", health)
    (row,) = board.overview().rows
    assert {k: row[k] for k in ("state", "fps", "p95", "refused", "outbox", "cpu", "gpu")} == {
        "state": "online", "fps": "10.0", "p95": "42 ms", "refused": "2", "outbox": "3 (12 s)",
        "cpu": "55 °C", "gpu": "-",
    }  # fmt: skip
    assert (row["runtime"], row["isolation"]) == ("cpu fp32", "namespace")


@pytest.mark.parametrize(
    "info",
    [b'{"runtime": 7, "isolation": []}', b"{}", kit.info(runtime="r" * 9_999, isolation=" ")],
)
def test_odd_documents_make_no_odd_rows(clock, info):
    """Whatever a broker sends in their place."""
    board = board_of(clock, 1)
    board.heard("edged/museum/booth-0/info", info)
    assert all(isinstance(v, str | int) for v in board.overview().rows[0].values())


def test_pages_are_of_a_bounded_size_and_the_worst_come_first(clock):
    """However many devices there are."""
    board = board_of(clock, PAGE + 7)
    board.heard("edged/museum/booth-55/status", kit.status("offline", "connection-lost"))
    first, second = board.overview(), board.overview(page=1)
    assert (len(first.rows), len(second.rows), first.found) == (PAGE, 7, PAGE + 7)
    assert first.rows[0]["address"] == "museum/booth-55"
    assert first.states == {"online": PAGE + 6, "offline": 1}


@pytest.mark.parametrize(
    ("search", "wanted", "found"),
    [("booth-1", "", 3), ("BOOTH-11", "", 1), ("museum/", "", 12), ("nowhere", "", 0),
     ("", "offline", 1), ("", "online", 11), ("booth-1", "offline", 0), ("", "critical", 1)],
)  # fmt: skip
def test_search_and_filters_find(clock, search, wanted, found):
    """By a part of the address, a state, an alert or its severity."""
    board = board_of(clock, 12)
    board.heard("edged/museum/booth-5/status", kit.status("offline", "connection-lost"))
    assert board.overview(search, wanted).found == found


def test_time_alone_makes_an_alert(clock):
    """A device that has gone silent is found without a message of it."""
    board = board_of(clock, 1)
    assert board.overview().rows[0]["alert"] == ""
    clock.now_s += SILENT_S + STALE_S
    assert "nothing for" in board.overview().rows[0]["alert"]


def test_a_picture_is_given_by_its_camera(clock):
    """And none for who has none."""
    board = board_of(clock, 1)
    board.heard("edged/museum/booth-0/image/booth", kit.JPEG)
    board.heard("edged/museum/booth-0/result/booth", kit.result())
    assert board.picture("museum/booth-0", "booth") == kit.JPEG
    assert board.picture("museum/booth-0", "door") == b""
    assert board.picture("museum/nobody", "booth") == b""
