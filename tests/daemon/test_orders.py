"""Commands: what they do, and bad data answered with an error."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from outbox_kit import put

from edged.daemon.orders import LATER, Orders
from edged.errors import OperatorError
from edged.health import Health
from edged.transport.control import ControlIn
from edged.transport.ipc import CommandIn
from edged.transport.outbox import Outbox
from edged.transport.receipts import Notary, verify
from edged.verdicts import Reason


class Frames:
    """A frame server that can be paused."""

    def __init__(self):
        self.reason = None

    def pause(self, reason):
        self.reason = reason

    def resume(self):
        self.reason = None


class Desk:
    """Orders with a real outbox, and what they told others."""

    def __init__(self, folder):
        self.outbox, self.frames = Outbox.open(folder), Frames()
        self.health = Health(time.monotonic(), 0)
        self.notary = Notary(Ed25519PrivateKey.generate(), "booth-1", "hall")
        self.woken, self.changed, self.events = [], [], []
        self.orders = Orders(
            outbox=self.outbox,
            frames=self.frames,
            health=self.health,
            cameras=lambda: {"booth"},
            wake=lambda: self.woken.append(1),
            state_changed=lambda: self.changed.append(1),
            event=lambda *event: self.events.append(event),
            overview=lambda: {"state": "online"},
            notary=self.notary,
            more={"calibrate": lambda data: {"asked": dict(data)}},
        )

    def outcomes(self):
        return [(e, why, data["who"], data["outcome"]) for e, why, data in self.events]

    def do(self, name, data=None, kind=CommandIn):
        return self.orders(kind(name=name, id="c1", data=data or {}))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    made = Desk(tmp_path_factory.mktemp("outbox"))
    yield made
    made.outbox.close()


@pytest.fixture
def desk(kept):
    kept.woken.clear()
    kept.changed.clear()
    kept.events.clear()
    return kept


def test_ping_tells_the_state(desk):
    """And bears the command's id."""
    reply = desk.do("ping")
    assert (reply.status, reply.id, reply.data["state"]) == ("ok", "c1", "online")


def test_every_command_of_the_broker_is_on_record(desk):
    """Who, what, which and how it ended; what the box only reads is not."""
    desk.do("ping")
    desk.do("pause", kind=ControlIn)
    desk.do("ping", kind=ControlIn)
    assert desk.outcomes() == [
        ("command-done", "ping", "broker", "ok"), ("command-done", "pause", "box", "ok"),
    ]  # fmt: skip
    assert [data["id"] for *_, data in desk.events] == ["c1", "c1"]


def test_an_odd_id_of_the_box_is_not_on_record(desk):
    """Only what has the form of an id is repeated."""
    desk.orders(ControlIn(name="pause", id="\n<b>", data={}))
    assert desk.events[0][2]["id"] == ""


@pytest.mark.parametrize("name", ["status", "diagnostics"])
def test_an_overview_is_what_the_engine_says_of_itself(desk, name):
    """From the box or from the broker."""
    kind = ControlIn if name == "status" else CommandIn
    assert desk.do(name, kind=kind).data == {"state": "online"}


def test_the_outbox_shows_its_figures(desk):
    """Depth and bytes."""
    assert desk.do("outbox", kind=ControlIn).data["depth"] >= 0


def test_pause_and_resume_reach_frames_health_and_status(desk):
    """Senders are told `paused`, and the status changes at once."""
    assert desk.do("pause").status == "ok"
    assert desk.frames.reason is Reason.PAUSED
    assert desk.health.state(1)[0] == "paused"
    assert desk.do("resume").status == "ok"
    assert desk.frames.reason is None
    assert desk.health.state(2)[0] == "online"
    assert len(desk.changed) == 2
    assert [e[:2] for e in desk.events] == [("command-done", "pause"), ("command-done", "resume")]


def test_replay_hands_rows_out_again(desk):
    """The uplink is woken for them."""
    put(desk.outbox)
    (row,) = desk.outbox.pending(1)
    desk.outbox.ack(row)
    reply = desk.do("replay", {"camera": "booth", "from": 1, "to": 99})
    assert reply.status == "ok"
    assert desk.woken
    assert row in desk.outbox.pending(9)


def test_purge_gives_a_receipt(desk):
    """What was removed is counted and signed for, and the uplink is woken for the gaps."""
    shot = put(desk.outbox)
    reply = desk.do("purge", {"shot": shot})
    assert reply.status == "ok"
    assert reply.data["rows"] == 1
    receipt = verify(reply.data["receipt"], desk.notary.public_key)
    assert (receipt.rows, receipt.session) == (1, desk.outbox.session)
    assert receipt.asked.names(shot)
    assert desk.woken


@pytest.mark.parametrize("name", ["reload", "selftest", "rotate-identity"])
def test_a_command_of_a_later_version_is_an_error(desk, name):
    """It is known on the wire and not done yet."""
    reply = desk.do(name)
    assert (reply.status, reply.error, reply.text) == ("error", "unknown-command", LATER)
    assert desk.outcomes() == [("command-failed", name, "broker", "unknown-command")]


@pytest.mark.parametrize("name", ["_call__", "call--", "known", "__init__", "", "health"])
def test_a_name_is_no_way_to_a_method(desk, name):
    """Only commands are done, whatever else the class has."""
    reply = desk.do(name)
    assert (reply.status, reply.text) == ("error", LATER)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("replay", {}),
        ("replay", {"camera": "other", "from": 1, "to": 2}),
        ("replay", {"camera": ["booth"], "from": 1, "to": 2}),
        ("replay", {"camera": "booth", "from": "1", "to": 2}),
        ("replay", {"camera": "booth", "from": True, "to": 2}),
        ("replay", {"camera": "booth", "from": 1.0, "to": 2}),
        ("replay", {"camera": "booth", "from": 5, "to": 2}),
        ("replay", {"camera": "booth", "from": 10**30, "to": 10**31}),
        ("replay", {"camera": "booth", "from": 1, "to": 2, "session": 7}),
        ("replay", {"camera": "booth", "from": 1, "to": 2, "session": "x" * 65}),
        ("purge", {}),
        ("purge", {"all": 1}),
        ("purge", {"all": True, "shot": "x"}),
        ("purge", {"before_ms": -1}),
        ("purge", {"consent": "a b"}),
    ],
)
def test_bad_data_is_an_error_reply(desk, name, data):
    """Nothing is done, nothing is recorded as done."""
    reply = desk.do(name, data)
    assert (reply.status, reply.error) == ("error", "bad-data")
    assert reply.text.startswith(name) or "range" in reply.text or "session" in reply.text
    assert desk.outcomes() == [("command-failed", name, "broker", "bad-data")]


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(2**62, 2**70), st.floats(), st.text(),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip


@given(
    st.sampled_from(["replay", "purge"]),
    st.dictionaries(
        st.sampled_from(["camera", "from", "to", "session", "shot", "consent", "before_ms"]), ODD
    ),
)
@settings(max_examples=60, deadline=None)
def test_any_data_gets_a_reply(kept, name, data):
    """Whatever a broker sends in, no exception comes out."""
    assert kept.do(name, data).status in {"ok", "error"}
    assert kept.do(name, {"camera": "booth", "from": 1, "to": 1, **data}).id == "c1"


def test_a_time_that_no_database_holds_is_refused(kept):
    """It came from a broker; the purge takes nothing."""
    assert kept.do("purge", {"before_ms": 2**63}).status == "error"
    replay = {"camera": "booth", "from": 1, "to": 2**63}
    assert kept.do("replay", replay).status in {"ok", "error"}


def test_an_error_of_ours_is_a_reply(desk, monkeypatch):
    """Its message is for people."""

    def purge(_selector):
        raise OperatorError("look at the disk")

    monkeypatch.setattr(desk.outbox, "purge", purge)
    reply = desk.do("purge", {"all": True})
    assert (reply.status, reply.error, reply.text) == ("error", "failed", "look at the disk")
