"""kill -9 of uplink, engine and broker in mid-flow: nothing is lost, nothing is twice.

A visitor's client goes on sending and sends every shot again under its id until it is
answered.  *Lost*: no picture, result or gap at the consumer after recovery and replay.
*Duplicated*: two ids or two contents for one shot.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import threading
import time
import uuid
from dataclasses import dataclass, field

import pytest
from booth import Booth, until
from mosquitto import Mosquitto
from shots import QUICK, face, png, real_models, say

from edged.errors import LinkError
from edged.transport.client import FrameClient

KILLS = int(os.environ.get("EDGED_TEST_KILLS", "20"))


@dataclass
class Visitor:
    """Sends shots one after the other from its own thread.

    Attributes:
        answers: shot id -> its answer, which names session, camera's number and picture.
        repeats: how often a shot had to be sent again by this client's owner.
        under_way: a shot is out and not answered.
    """

    endpoint: str
    answers: dict = field(default_factory=dict)
    repeats: int = 0
    under_way: bool = False
    problems: list = field(default_factory=list)

    def __post_init__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        number = 0
        while not self._stop.is_set():
            number += 1
            shot = str(uuid.uuid4())
            self._until_answered(shot, png(face(number)))

    def _until_answered(self, shot, picture):
        deadline = time.monotonic() + 90
        while True:
            if time.monotonic() > deadline:
                self.problems.append("a shot was not answered within 90 s")
                return
            try:
                with FrameClient(self.endpoint, timeout_s=20) as client:
                    self.under_way = True
                    answer = client.send_shot(picture, camera="quick", shot=shot, want="image")
            except LinkError:
                self.repeats += 1
                continue
            finally:
                self.under_way = False
            if answer.verdict.verdict == "queued":
                self.answers[shot] = answer
                return
            self.problems.append(f"{answer.verdict.verdict} {answer.verdict.reason}")
            return

    def stop(self):
        self._stop.set()
        self._thread.join(120)
        assert not self._thread.is_alive()


class Kills:
    """What is killed and started again, and how to tell that it works again."""

    def __init__(self, booth):
        self.booth = booth

    def engine(self):
        self.booth.kill_engine()
        self.booth.start_engine(wait=False)

    def uplink(self):
        self.booth.kill_uplink()
        self.booth.start_uplink()

    def broker(self):
        self.booth.broker.restart()


def delivered(booth):
    with booth.consumer._changed:
        return len(booth.consumer.results)


def unacknowledged(booth, visitor):
    """Whether something was between the visitor and the consumer just now."""
    return visitor.under_way or len(visitor.answers) > delivered(booth)


def shots_until_one_arrives(booth):
    """Answers to shots sent until the consumer gets one: a hole at the end would not show.

    A broker that has forgotten everything takes results before the consumer has
    subscribed again.
    """
    answers, deadline = {}, time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = booth.send(face(60_000 + len(answers)), camera="quick", want="image")
        answers[answer.verdict.id] = answer
        with contextlib.suppress(AssertionError):
            shot = answer.verdict.id
            booth.consumer.wait(lambda s=shot: booth.consumer.find(s), 3)
            return answers
    raise AssertionError("nothing arrives after the last kill")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("who", "count"),
    [("uplink", KILLS), ("engine", KILLS), ("broker", KILLS), ("broker-with-memory", KILLS // 2)],
)
def test_nothing_is_lost_or_doubled(tmp_path, who, count):
    """Every answered shot is at the consumer once, with its own picture, after all kills."""
    chance = random.Random(4)
    broker = Mosquitto(tmp_path / "broker", persistence=who == "broker-with-memory",
                       extra="autosave_interval 1")  # fmt: skip
    victim = who.partition("-")[0]
    with broker, Booth(tmp_path, models=real_models(), extra=QUICK, broker=broker) as booth:
        booth.consumer._keep_raw = False
        visitor = Visitor(booth.endpoint)
        kills, in_flow = Kills(booth), 0
        started = time.monotonic()
        try:
            for _ in range(count):
                there, answered = delivered(booth), len(visitor.answers)
                until(
                    lambda a=answered, t=there: len(visitor.answers) > a and delivered(booth) > t,
                    60, f"the flow goes on: {visitor.problems}",
                )  # fmt: skip
                time.sleep(chance.uniform(0, 0.4))  # any moment of a shot's way
                in_flow += unacknowledged(booth, visitor)
                getattr(kills, victim)()
        finally:
            visitor.stop()
        took_s = time.monotonic() - started
        booth.wait_engine()
        extra = shots_until_one_arrives(booth)
        came_by_itself = delivered(booth)
        asked = booth.consumer.recover(timeout_s=60)
        consumer = booth.consumer
        until(lambda: consumer.status.get("state") == "online", 30, "the device is online")

        lost, doubled = [], []
        for shot, answer in (visitor.answers | extra).items():
            verdict, result = answer.verdict, consumer.find(shot)
            picture = None if result is None else consumer.pictures.get(result["image"]["sha256"])
            if picture is None:
                lost.append(shot)
                continue
            assert hashlib.sha256(picture).hexdigest() == result["image"]["sha256"]
            places = [key for key, doc in consumer.results.items() if doc["id"] == shot]
            if places != [(verdict.session, "quick", verdict.seq)]:
                doubled.append(shot)
            if picture != answer.picture:
                doubled.append(shot)
        strangers = consumer.ids() - set(visitor.answers) - set(extra)
        again = sum(consumer.deliveries.values()) - len(consumer.results)
        say(
            f"\n{who}: {count} kills in {took_s:.0f} s, {in_flow} in mid-flow; "
            f"answered {len(visitor.answers | extra)}, "
            f"delivered {len(visitor.answers | extra) - len(lost)} "
            f"({came_by_itself} before any replay, {asked} replays, {again} deliveries repeated), "
            f"lost {len(lost)}, duplicated {len(doubled)}"
        )
        assert (lost, doubled, strangers) == ([], [], set())
        # A broker that saves now and then forgets what it acknowledged since: a picture can be
        # gone whose result is still to come, and then only the replay brings it.
        late = "its picture did not come before it" if who == "broker-with-memory" else "\0"
        assert [problem for problem in consumer.problems if late not in problem] == []
        assert visitor.problems == []
        assert consumer.gaps == {}
        assert in_flow >= count * 3 // 4
        seqs = sorted(a.verdict.seq for a in visitor.answers.values())
        assert len(set(seqs)) == len(seqs)
        assert "Traceback" not in booth.log_text()
