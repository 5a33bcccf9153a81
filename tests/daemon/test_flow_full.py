"""A full outbox, from the sender's side to the broker's: both policies, with the uplink dead."""

from __future__ import annotations

import uuid

import msgspec
import pytest
from flow_kit import png, running

from edged.transport.outbox import OutboxLimits

SHOT_BYTES = 16_000
"""More than a picture of the rig takes, with its document."""


def limits(overflow, pictures=4):
    return OutboxLimits(max_bytes=pictures * SHOT_BYTES, overflow=overflow)


def shoot(rig, shot=None):
    """One shot with a picture of its own; (id, payload, answer)."""
    shot = shot or str(uuid.uuid4())
    payload = png(uuid.UUID(shot).int % 1000)
    return shot, payload, rig.answers.of(rig.shoot(shot, payload))[0]


def fill_up(rig):
    """Shots that were queued until something else happened to one, and that one."""
    taken = []
    while True:
        shot, payload, doc = shoot(rig)
        if doc.verdict != "queued" or rig.events or len(taken) > 100:
            return taken, (shot, payload, doc)
        taken.append(shot)


def there(rig):
    """Ids of results and ranges of gaps that wait for the uplink."""
    ids, gaps = [], []
    for number in rig.outbox.pending(1000):
        row = rig.outbox.load(number)
        doc = msgspec.json.decode(row.doc_json)
        if row.kind == "result":
            ids.append(doc["id"])
        else:
            gaps.append((doc["from"], doc["to"], doc["reason"]))
    return ids, gaps


def test_refuse_keeps_what_is_there_and_tells_the_sender(tmp_path):
    """Who sends the shot again once the broker has taken something is served."""
    with running(tmp_path / "outbox", limits=limits("refuse")) as rig:
        taken, (shot, payload, doc) = fill_up(rig)
        assert len(taken) >= 4
        assert (doc.verdict, doc.reason) == ("failed", "outbox-full")
        assert there(rig) == (taken, [])
        rig.outbox.ack(rig.outbox.pending(1)[0])
        again = rig.answers.of(rig.shoot(shot, payload))[0]
        assert (again.verdict, again.seq) == ("queued", len(taken) + 1)
        assert there(rig) == ([*taken[1:], shot], [])


def test_drop_oldest_takes_the_new_shot_and_answers_for_the_old_one(tmp_path):
    """A gap comes in its place, an event says how many, and its sender still gets its verdict."""
    with running(tmp_path / "outbox", limits=limits("drop_oldest")) as rig:
        taken, (shot, _, doc) = fill_up(rig)
        assert doc.verdict == "queued"
        assert there(rig) == ([*taken[1:], shot], [(1, 1, "overflow")])
        (event,) = [found for found in rig.events if found[0] == "outbox-overflow"]
        assert event[1:] == ("drop-oldest", {"rows": 1})
        _, payload, again = shoot(rig, taken[0])
        assert (again.verdict, again.seq) == ("queued", 1)
        assert rig.outbox.lookup(taken[0], payload).picture is None


@pytest.mark.parametrize("overflow", ["refuse", "drop_oldest"])
def test_size_and_age_are_kept_although_no_uplink_ever_comes(tmp_path, overflow):
    """The engine keeps them by itself: no file grows, and nothing stays longer than it may."""
    with running(tmp_path / "outbox", limits=limits(overflow)) as rig:
        for _ in range(40):
            shoot(rig)
        assert rig.outbox.stats().used_bytes <= 4 * SHOT_BYTES
        clock, steady = rig.outbox._store.clock, rig.outbox._store.steady
        week_s = 7 * 86_400 + 60
        rig.outbox._store.clock = lambda: clock() + week_s
        rig.outbox._store.steady = lambda: steady() + week_s
        assert rig.outbox.enforce() >= 4
        ids, gaps = there(rig)
        assert ids == []
        covered = [n for first, last, _ in gaps for n in range(first, last + 1)]
        newest = rig.outbox.replay("booth", 1, 1000)["last"]
        assert sorted(covered) == list(range(1, newest + 1))
