"""A shot's id is a promise: one result, one answer, whatever happens to the messages.

Through the whole daemon, with the broker's view of it.
"""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from booth import Booth, until
from shots import QUICK, face, png, real_models

from edged.daemon.engine_hail import FRESH_FOR_S
from edged.transport.client import FrameClient


@pytest.fixture(scope="module")
def booth(tmp_path_factory):
    folder = tmp_path_factory.mktemp("booth")
    with Booth(folder, models=real_models(), extra=QUICK) as device:
        yield device


def send(booth, number, shot, **options):
    return booth.send(face(number), camera="quick", shot=shot, **options)


def at_once(booth, pictures, shot):
    """Answers to shots that several clients send under one id in the same moment."""
    gate = threading.Barrier(len(pictures))
    answers = [None] * len(pictures)

    def work(place, picture):
        with FrameClient(booth.endpoint, timeout_s=60) as client:
            client.send_frame(picture, camera="door")  # connects, and is not waited for
            gate.wait(30)
            answers[place] = client.send_shot(
                picture, camera="quick", shot=shot, want="image", timeout_s=60
            )

    threads = [threading.Thread(target=work, args=one) for one in enumerate(pictures)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    return answers


def word(answer):
    """What must be the same in every answer to one shot."""
    v = answer.verdict
    return v.verdict.value, v.reason.value, v.id, v.session, v.seq


def assert_one_result(booth, shot, *, once=True):
    """The broker got one result and one picture of a shot, perhaps more than once."""
    end = booth.send(face(), camera="quick").verdict.id
    booth.consumer.wait(lambda: booth.consumer.find(end), what="what was sent after it")
    consumer = booth.consumer
    mine = [key for key, doc in consumer.results.items() if doc["id"] == shot]
    assert len(mine) == 1
    name = b"edged:" + shot.encode()
    pictures = [payload for topic, payload, _ in consumer.raw if "/image/" in topic]
    heads = [(picture, picture[: picture.index(b"\xff\xda")]) for picture in pictures]
    mine_too = [picture for picture, head in heads if name in head]
    assert len(set(mine_too)) == 1
    if once:
        assert len(mine_too) == consumer.deliveries[mine[0]] == 1
    assert not consumer.problems


def test_three_times_one_id_is_one_result(booth):
    """A shot that is sent three times is processed once and answered alike each time."""
    shot = str(uuid.uuid4())
    answers = [send(booth, 1, shot) for _ in range(3)]
    assert {word(a) for a in answers} == {word(answers[0])}
    assert answers[0].verdict.verdict == "queued"
    assert_one_result(booth, shot)


def test_at_the_same_time_is_one_result(booth):
    """Clients that send one shot at once share its one result and its picture."""
    shot = str(uuid.uuid4())
    answers = at_once(booth, [png(face(2))] * 3, shot)
    assert {word(a) for a in answers} == {word(answers[0])}
    assert answers[0].verdict.verdict == "queued"
    assert answers[0].picture
    assert {a.picture for a in answers} == {answers[0].picture}
    assert_one_result(booth, shot)


def test_the_picture_can_be_had_again(booth):
    """Asked for later under the same id, the picture is the one that was published."""
    shot = str(uuid.uuid4())
    first = send(booth, 3, shot)
    assert first.picture is None
    later = [send(booth, 3, shot, want="image") for _ in range(2)]
    booth.published(first)
    assert [a.picture for a in later] == [booth.consumer.picture(shot)] * 2


def test_another_picture_under_a_used_id_is_an_error(booth):
    """The second picture is refused by name, and the first keeps its result."""
    shot = str(uuid.uuid4())
    first = send(booth, 4, shot)
    other = send(booth, 5, shot, want="image")
    assert (other.verdict.verdict, other.verdict.reason) == ("failed", "id-reused")
    assert other.picture is None
    assert word(send(booth, 4, shot)) == word(first)
    assert_one_result(booth, shot)


def test_another_picture_at_the_same_time_is_an_error(booth):
    """Of two pictures that come at once under one id, one wins and one is told."""
    shot = str(uuid.uuid4())
    answers = at_once(booth, [png(face(6)), png(face(7))], shot)
    assert sorted(a.verdict.reason for a in answers) == ["id-reused", "ok"]
    assert_one_result(booth, shot)


def test_a_refusal_is_repeated_too(booth):
    """A shot that was kept in stays so under its id, without another try."""
    shot = str(uuid.uuid4())
    blank = face(8) // 255 * 255
    blank[:300] = 90
    answers = [booth.send(blank, camera="quick", shot=shot) for _ in range(2)]
    assert {word(a)[:3] for a in answers} == {("refused", "no-face", shot)}
    assert send(booth, 9, shot).verdict.reason == "id-reused"
    assert booth.consumer.find(shot) is None


def test_a_killed_engine_remembers(booth):
    """After kill -9 and a new start the id still stands for its verdict and its picture."""
    shot = str(uuid.uuid4())
    first = send(booth, 10, shot, want="image")
    booth.kill_engine()
    booth.start_engine()
    again = send(booth, 10, shot, want="image")
    assert word(again) == word(first)
    assert again.picture == first.picture
    assert send(booth, 11, shot).verdict.reason == "id-reused"
    assert_one_result(booth, shot, once=False)


def test_a_new_engine_does_not_publish_everything_again(booth):
    """What a broker that remembers us has acknowledged stays published once."""
    shots = [send(booth, 20 + n, str(uuid.uuid4())).verdict.id for n in range(3)]
    until(lambda: booth.depth() == 0, what="all is acknowledged")
    until(lambda: booth.ask("status").data["health"]["uplink"]["broker"] == "present",
          what="the engine knows that the broker remembers")  # fmt: skip
    time.sleep(FRESH_FOR_S + 0.5)  # within this time a new engine is told everything again
    booth.kill_engine()
    booth.start_engine()
    until(lambda: booth.ask("status").data["health"]["uplink"]["connected"], what="the uplink")
    for shot in shots:
        assert_one_result(booth, shot)
