"""The matrix of faults is no good if it cannot fail: what it must notice is planted here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fakes.leaky_device import LeakyDevice
from faults.faces_out import FacesOut
from faults.kinds import Kind, all_kinds
from faults.ledger import Ledger
from faults.load import Load
from faults.site import Watch
from mosquitto import Mosquitto, wait_for

QUIET = Kind("a control", lambda *_: None)
GAPS = Kind("a control", lambda *_: None, may_gap=True)


class Under:
    """A leaky device under the matrix's own load, with its consumer and accounts."""

    def __init__(self, folder, look, **faults):
        folder.mkdir(exist_ok=True)
        with Mosquitto(folder / "broker") as broker, Watch(
            broker.port, "test", "booth-1", look=lambda data: look("broker", data)
        ) as self.consumer:  # fmt: skip
            self.ledger = Ledger()
            self.ledger.begin("a control")
            self.booth = SimpleNamespace(run_dir=folder)
            self.endpoint = f"ipc://{folder}/frames.sock"
            self._look = look
            with LeakyDevice(folder, broker.port, **faults), Load(self, look) as load:
                wait_for(lambda: load.shown > 4 and load.answered > 3, 30, "the load")
                load.stop()
            self.consumer.publish("event", b'{"name": "the end"}')  # behind all the device said
            self.consumer.wait(lambda: self.consumer.events, what="the end")

    def took(self, shot, answer):
        self.ledger.took(shot, answer)
        self._look("reply", answer.picture)


@pytest.fixture(scope="module")
def judge(test_models):
    assert test_models
    with FacesOut() as judge:
        yield judge


@pytest.mark.parametrize("place", ["broker", "view", "reply"])
def test_a_face_that_gets_out_is_counted(tmp_path, judge, place):
    """A picture that leaves as it came in is seen, where it was planted and only there."""
    judge.begin("a control")
    Under(tmp_path, judge.look, leaks={place})
    judged, escapes, _ = judge.settle()
    assert set(judged) == {"broker", "view", "reply"}
    assert {where for where, _ in escapes} == {place}
    ways = {how.split(":")[0] for _, how in escapes}
    assert ways == {"found", "its place"}


def test_no_face_is_no_escape(tmp_path, judge):
    """Grey pictures show nobody."""
    judge.begin("a control")
    Under(tmp_path, judge.look)
    judged, escapes, held = judge.settle()
    assert held["faces"] == 0

    assert sum(judged.values()) >= 10
    assert escapes == []


def test_the_judge_dies_loudly(judge):
    """What cannot be judged fails the run, and does not pass for a clean picture."""
    judge.begin("a control")
    judge.look("broker", b"no picture at all")
    with pytest.raises(AssertionError, match="could not be judged"):
        judge.settle()


@pytest.mark.parametrize(
    ("wrong", "list_of", "what"),
    [("lose", "lost", "nothing came"), ("gap", "lost", "a gap (overflow) came"),
     ("two places", "duplicated", "2 places"), ("two contents", "duplicated", "contents"),
     ("stray", "duplicated", "nobody sent")],
)  # fmt: skip
def test_a_broken_promise_is_booked(tmp_path, wrong, list_of, what):
    """Each second shot goes wrong, and the accounts say how often and in what way."""
    under = Under(tmp_path, lambda *_: None, wrong=wrong)
    tally = under.ledger.tally(under.consumer, QUIET)
    other = {"lost": "duplicated", "duplicated": "lost"}[list_of]
    found = getattr(tally, list_of)
    assert len({line.split(":")[0] for line in found}) == tally.answered // 2
    assert all(what in line for line in found)
    assert getattr(tally, other) == []


def test_a_gap_answers_for_a_row_where_gaps_are_allowed(tmp_path):
    """Of kinds that fill disks or damage rows."""
    under = Under(tmp_path, lambda *_: None, wrong="gap")
    tally = under.ledger.tally(under.consumer, GAPS)
    assert tally.lost == []
    assert tally.gaps == tally.answered // 2


def test_kinds_have_names_of_their_own():
    """Twenty at least, as was promised."""
    assert len(all_kinds()) >= 20
