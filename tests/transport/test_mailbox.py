"""The two promises: shots are never dropped, stream frames are latest-wins, all take turns."""

from __future__ import annotations

import threading
from collections import Counter

from frames_kit import until
from hypothesis import given
from hypothesis import strategies as st

from edged.transport.header import FrameHeader
from edged.transport.mailbox import SHOTS_PER_STREAM_FRAME, Mailbox, Submission, Ticket


def submission(camera: str = "booth", *, shot: str | None = None, size: int = 1) -> Submission:
    header = FrameHeader(shot, camera, "poster", 0, "jpeg")
    return Submission(Ticket(), header, bytes(size), 0)


def mailbox(shots: int = 4, size: int = 1000) -> Mailbox:
    return Mailbox(shots_waiting=shots, shots_waiting_bytes=size)


def test_shots_come_out_in_order_and_none_is_lost():
    """What was admitted comes out, in order; what was refused was not admitted."""
    box = mailbox(shots=4)
    shots = [submission(shot=str(n)) for n in range(6)]
    assert [box.offer_shot(one) for one in shots] == [True] * 4 + [False] * 2
    assert [box.take(0) for _ in range(5)] == [*shots[:4], None]


def test_bytes_bound_the_queue_but_one_shot_always_fits():
    """The byte limit holds shots back, except that a single large one is let in."""
    box = mailbox(size=100)
    assert box.offer_shot(submission(shot="a", size=500))
    assert not box.offer_shot(submission(shot="b", size=1))
    box.take(0)
    assert box.offer_shot(submission(shot="b", size=60))
    assert not box.offer_shot(submission(shot="c", size=60))


def test_room_is_told_once_and_only_to_whom_was_refused():
    """`on_room` is called when a shot leaves after one was refused, and not otherwise."""
    box = mailbox(shots=1)
    told: list[bool] = []
    box.on_room(lambda: told.append(box.offer_shot(submission(shot="c"))))
    box.offer_shot(submission(shot="a"))
    box.take(0)
    assert told == []
    box.offer_shot(submission(shot="a"))
    box.offer_shot(submission(shot="b"))
    box.take(0)
    assert told == [True]


def test_stream_frame_replaces_the_older_one_of_its_camera():
    """The newest frame of a camera is taken, and the one that it replaced is given back."""
    box = mailbox()
    older, other, newer = submission(), submission("hall"), submission()
    assert box.offer_stream(older) is None
    assert box.offer_stream(other) is None
    assert box.offer_stream(newer) is older
    assert [box.take(0), box.take(0), box.take(0)] == [newer, other, None]
    assert box.counts().superseded == 1


def test_fast_camera_does_not_starve_a_slow_one():
    """With one camera refilling its slot all the time, each of five gets every fifth turn."""
    box = mailbox()
    cameras = [f"cam{n}" for n in range(5)]
    taken: Counter[str] = Counter()
    for _ in range(100):
        for camera in ("cam0", *cameras):
            box.offer_stream(submission(camera))
        one = box.take(0)
        assert one is not None
        taken[one.header.camera] += 1
    assert set(taken.values()) == {20}


def test_stream_frame_passes_after_a_few_shots():
    """A queue that is always full of shots still lets a stream frame through."""
    box = mailbox(shots=50)
    for n in range(50):
        box.offer_shot(submission(shot=str(n)))
    kinds = ""
    for _ in range(4 * (SHOTS_PER_STREAM_FRAME + 1)):
        box.offer_stream(submission())
        one = box.take(0)
        assert one is not None
        kinds += "s" if one.header.shot else "-"
    assert kinds == ("s" * SHOTS_PER_STREAM_FRAME + "-") * 4


def test_close_wakes_takers_and_returns_the_rest():
    """Closing ends a blocked take, hands back what is left and admits nothing more."""
    box = mailbox()
    got: list[Submission | None] = []
    thread = threading.Thread(target=lambda: got.append(box.take()))
    thread.start()
    assert box.close() == []
    thread.join(5)
    assert got == [None]
    full = mailbox()
    shot, frame = submission(shot="a"), submission()
    full.offer_shot(shot)
    full.offer_stream(frame)
    assert full.close() == [shot, frame]
    assert full.take() is None
    assert not full.offer_shot(shot)
    assert full.offer_stream(frame) is frame


def test_many_threads_lose_no_shot():
    """Four senders that retry and two takers move every shot exactly once."""
    box = mailbox(shots=3)
    room = threading.Event()
    box.on_room(room.set)
    taken: list[str] = []

    def send(name: int) -> None:
        for n in range(100):
            while not box.offer_shot(submission(shot=f"{name}/{n}")):
                room.wait(0.01)
                room.clear()

    def take() -> None:
        while (one := box.take()) is not None:
            taken.append(one.header.shot or "")

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    takers = [threading.Thread(target=take) for _ in range(2)]
    for thread in [*threads, *takers]:
        thread.start()
    for thread in threads:
        thread.join(30)
    until(lambda: len(taken) == 400)
    box.close()
    for thread in takers:
        thread.join(5)
    assert sorted(taken) == sorted(f"{name}/{n}" for name in range(4) for n in range(100))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("shot"), st.integers(1, 60)),
        st.tuples(st.just("stream"), st.integers(0, 2)),
        st.tuples(st.just("take"), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_bounds_and_order_hold_for_any_history(steps):
    """Whatever happens, bounds hold, shots stay in order and each frame ends in one place."""
    box = mailbox(shots=5, size=120)
    admitted: list[Submission] = []
    left: list[Submission] = []
    streams = 0
    for n, (kind, value) in enumerate(steps):
        if kind == "shot":
            one = submission(shot=str(n), size=value)
            if box.offer_shot(one):
                admitted.append(one)
        elif kind == "stream":
            streams += 1
            older = box.offer_stream(submission(f"cam{value}"))
            if older is not None:
                left.append(older)
        elif (taken := box.take(0)) is not None:
            left.append(taken)
        counts = box.counts()
        assert counts.shots_waiting <= 5
        assert counts.shots_waiting_bytes <= 120
        assert counts.stream_waiting <= 3
    left += box.close()
    assert [one for one in left if one.header.shot] == admitted
    assert len(left) == len(admitted) + streams
