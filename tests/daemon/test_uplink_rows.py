"""Rows on their way through one connection."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from edged.daemon.uplink_rows import RowBook
from edged.transport.ipc import RowAck, RowAside, RowOut
from edged.transport.link import Publish
from edged.transport.topics import Topics


class Book:
    """A row book and the messages that it has released."""

    def __init__(self) -> None:
        self.rows = RowBook(Topics("lab", "box-1"), itertools.count(1).__next__)
        self.sent: list[Publish] = []
        self.told: list[RowAck | RowAside] = []

    def offer(self, *numbers: int, size_bytes: int = 10, camera: str = "cam") -> Book:
        """The engine hands rows out."""
        for number in numbers:
            out = RowOut(row=number, kind="result", camera=camera, id=str(number))
            self.rows.offer(out, b"{}", bytes(size_bytes))
        return self

    def release(self, limit_bytes: int = 0, *, calm: bool = True) -> list[int]:
        """Numbers of the rows that are published now."""
        out = self.rows.release(limit_bytes=limit_bytes, calm=calm)
        messages = [item for item in out if isinstance(item, Publish)]
        self.sent += messages
        self.told += [item for item in out if isinstance(item, RowAside)]
        return [int(message.row_id) for message in messages[::2]]

    def ack_all(self) -> list[object]:
        """The broker acknowledges everything; what the engine is told."""
        told = [self.rows.acked(message.token, 0) for message in self.sent]
        self.sent = []
        return [item for item in told if item is not None]


def test_order() -> None:
    """Rows go in the order in which they came, each picture before its result."""
    book = Book().offer(1, 2)
    assert book.release() == [1, 2]
    assert [m.topic.split("/")[3] for m in book.sent] == ["image", "result"] * 2
    assert book.ack_all() == [RowAck(1), RowAck(2)]


def test_offered_twice() -> None:
    """A row that is here already is not taken again."""
    book = Book().offer(1, 1)
    assert book.release() == [1]
    assert book.offer(1).release() == []


def test_in_doubt_alone() -> None:
    """Rows that were in flight at a hang-up travel alone, and only when all is calm."""
    book = Book().offer(1, 2, 3)
    book.release()
    book.rows.lost("closed")
    book.offer(1, 2, 3, 4, 5)
    assert book.release(calm=False) == []
    assert book.release() == [1]
    assert book.release() == []
    book.sent = book.sent[-2:]
    assert book.ack_all() == [RowAck(1)]
    assert book.release() == [2]
    book.ack_all()
    assert book.release() == [3]
    book.ack_all()
    assert book.release() == [4, 5]


def test_three_strikes() -> None:
    """A row that was alone at three hang-ups is rejected and those behind it go."""
    book = Book()
    for _ in range(3):
        book.offer(1, 2).release()
        book.rows.lost("closed")
    # The first time both were in flight: nobody was alone.
    book.offer(1, 2)
    assert book.release() == [1]
    book.rows.lost("closed")
    assert book.offer(1, 2).release() == [2]
    assert book.told == [RowAside(1, "rejected")]


def test_acquitted() -> None:
    """A broker that was down itself, however often, makes no row a poisonous one."""
    book = Book()
    for _ in range(10):
        assert book.offer(1).release() == [1]
        book.rows.lost("closed")
        book.rows.acquit()


def test_innocent_endings() -> None:
    """A silent or garbling link, a clone or a broker that leaves put no row in doubt."""
    book = Book()
    for why in ("keepalive", "garbled", "taken-over", "leaving") * 3:
        assert book.offer(1, 2).release() == [1, 2]
        book.rows.lost(why)


def test_refused_row() -> None:
    """A refusal decides at once, and explains a hang-up that follows it."""
    book = Book().offer(1, 2)
    book.release()
    assert book.rows.acked(book.sent[0].token, 0x87) == RowAside(1, "not-authorised")
    assert book.rows.acked(book.sent[1].token, 0) is None
    book.rows.lost("closed")
    assert book.offer(2, 3).release() == [2, 3]


def test_refusals() -> None:
    """Reason codes are told apart: too large, others for good, and those that may pass."""
    expected = {0x95: RowAside(1, "too-large"), 0x90: RowAside(1, "rejected"), 0x97: "retry"}
    for code, told in expected.items():
        book = Book().offer(1)
        book.release()
        assert book.rows.acked(book.sent[0].token, code) == told


def test_no_subscriber() -> None:
    """`No matching subscribers` is a success."""
    book = Book().offer(1)
    book.release()
    assert book.rows.acked(book.sent[0].token, 0x10) is None
    assert book.rows.acked(book.sent[1].token, 0x10) == RowAck(1)


def test_vague_refusals_end() -> None:
    """A refusal without a reason is tried three times."""
    book = Book()
    for _ in range(3):
        book.offer(1).release()
        assert book.rows.acked(book.sent[-2].token, 0x80) == "retry"
        book.rows.lost("leaving")
    book.offer(1).release()
    assert book.told == [RowAside(1, "rejected")]


def test_hostile_camera() -> None:
    """A camera whose name would change the topic is not published."""
    book = Book().offer(1, camera="cam/../status")
    assert book.release() == []
    assert book.told == [RowAside(1, "rejected")]


@given(st.integers(1, 3000), st.integers(100, 3000))
def test_limit(size_bytes, limit_bytes) -> None:
    """No message above the broker's limit is ever released."""
    book = Book().offer(1, size_bytes=size_bytes)
    if book.release(limit_bytes):
        assert all(message.packet_bytes() <= limit_bytes for message in book.sent)
    else:
        assert book.told == [RowAside(1, "too-large")]
