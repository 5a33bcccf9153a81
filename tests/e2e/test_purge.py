"""`edged purge` on a running device, with rows half way to the broker.

What is published is sealed on the disk under a key of its own, so its bytes alone would
prove nothing: a copy of the outbox made before the purge shows what there was to lose,
and the same copy with the keys of after the purge must be worth nothing.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid

import numpy as np
import pytest
from booth import Booth, until
from photos import astronaut
from shots import QUICK, face, real_models, windows
from traces import FILES, sealed

from edged.transport.outbox import Outbox
from edged.transport.receipts import verify

CONSENT = "visit-5c1f-4711"


def copy_of(booth, target):
    """The outbox's files as a thief would take them."""
    target.mkdir()
    for name in FILES:
        shutil.copyfile(booth.folder / "outbox" / name, target / name)
    return target


def stored(folder):
    """Shot id -> picture that the files in a folder still give away."""
    box = Outbox.open(folder)
    box.requeue_all()
    rows = [box.load(number) for number in box.pending(1000)]
    box.close()
    return {row.id: row.jpeg for row in rows if row is not None and row.kind == "result"}


def traces(booth, needles):
    """Which needles are in the database, its log, its index or the key file."""
    data = {name: (booth.folder / "outbox" / name).read_bytes() for name in FILES}
    return [(name, needle) for needle in needles for name in FILES if needle in data[name]]


def needles_of(picture, shot):
    """What of a result must not be left: pieces of its picture, its id in any form."""
    of_id = uuid.UUID(shot)
    forms = [shot.encode(), shot.upper().encode(), of_id.hex.encode(), of_id.bytes, of_id.bytes_le]
    return [*windows(picture), *forms]


def gaps(booth):
    """Sequence numbers of camera -> reason, as the consumer was told."""
    return {
        (camera, seq): reason
        for (_, camera), ranges in booth.consumer.gaps.items()
        for first, last, reason in ranges
        for seq in range(first, last + 1)
    }


@pytest.fixture
def booth(tmp_path):
    with Booth(tmp_path, models=real_models(), extra=QUICK) as device:
        yield device


def shots_in_delivery(booth, send, count):
    """Answers to shots of which the uplink has sent some and the broker says nothing."""
    booth.broker.pause()  # it reads nothing and acknowledges nothing
    answers = [send(number) for number in range(count)]
    assert {a.verdict.verdict for a in answers} == {"queued"}
    until(lambda: booth.ask("status").data["health"]["uplink"]["in_flight"] >= min(count, 8),
          what="rows are with the uplink")  # fmt: skip
    assert booth.depth() >= count
    return answers


def assert_gone(booth, tmp_path, answers, before):
    """Nothing of these answers' results is in any file, readable or sealed."""
    folder = booth.folder / "outbox"
    for answer in answers:
        assert traces(booth, needles_of(answer.picture, answer.verdict.id)) == []
    was_sealed = sealed(before)
    now_sealed = sealed(copy_of(booth, tmp_path / "after"))
    gone = [part for part in was_sealed if part not in now_sealed]
    assert len(gone) >= 2 * len(answers)
    assert traces(booth, [piece for part in gone for piece in windows(part, 40)]) == []
    # a remnant of the database on the flash, with the keys that are left
    remnant = tmp_path / "remnant"
    shutil.copytree(before, remnant)
    shutil.copyfile(folder / "outbox.keys", remnant / "outbox.keys")
    purged = {answer.verdict.id for answer in answers}
    assert purged & set(stored(remnant)) == set()


@pytest.mark.parametrize("how", ["shot", "all"])
def test_a_purge_in_the_middle_of_delivery_leaves_nothing(booth, tmp_path, how):
    """Picture, id and ciphertext are gone from every file while the uplink holds the rows."""
    keep = booth.send(face(50), camera="quick", want="image")
    booth.published(keep)
    answers = shots_in_delivery(
        booth, lambda n: booth.send(face(n), camera="quick", want="image"), 4
    )
    before = copy_of(booth, tmp_path / "before")
    there = stored(shutil.copytree(before, tmp_path / "opened"))
    assert {a.verdict.id: a.picture for a in (keep, *answers)} == there  # there was much to lose
    pieces = [piece for part in sealed(before) for piece in windows(part, 40)]
    assert len({piece for _, piece in traces(booth, pieces)}) == len(pieces)
    if how == "shot":
        receipts = [booth.purge("--shot", a.verdict.id) for a in answers]
    else:
        receipts = [booth.purge("--all")]
    purged = answers if how == "shot" else [keep, *answers]
    assert sum(r["rows"] for r in receipts) == len(purged)
    assert sum(r["keys"] for r in receipts) == len(purged)
    assert all(r["wal_truncated"] for r in receipts)
    assert_gone(booth, tmp_path, purged, before)
    booth.broker.resume()
    numbers = {("quick", a.verdict.seq) for a in purged}
    booth.consumer.wait(lambda: numbers <= set(gaps(booth)), 30, "the gaps")
    assert {gaps(booth)[number] for number in numbers} == {"purge"}
    until(lambda: booth.depth() == 0, what="everything is acknowledged")
    assert_gone_still(booth, purged)
    for number, answer in enumerate(answers):
        for image in (face(number), face(77)):
            again = booth.send(image, camera="quick", shot=answer.verdict.id, want="image")
            assert (again.verdict.verdict, again.verdict.reason) == ("failed", "purged")
            assert again.picture is None
    if how == "shot":
        assert booth.send(face(50), camera="quick", shot=keep.verdict.id, want="image").picture
    after = booth.send(face(60), camera="quick")
    assert booth.published(after)[0]["seq"] == after.verdict.seq
    assert not booth.consumer.problems


def assert_gone_still(booth, answers):
    """Late acknowledgements and new rows have brought nothing back."""
    for answer in answers:
        assert traces(booth, needles_of(answer.picture, answer.verdict.id)) == []
        assert answer.verdict.id not in booth.log_text()


def test_a_withdrawn_consent_takes_every_picture_of_it(booth, tmp_path):
    """All portraits under one reference go, the reference with them; another's stay."""
    if real_models() is None:
        pytest.skip("a portrait of a photo needs the small real networks (EDGED_TEST_MODELS)")

    def portrait(number, consent):
        image = astronaut()
        image[-8:, :, :] = number
        return booth.send(image, camera="booth", scene="poster", consent=[consent], want="image")

    other = portrait(200, "visit-other")
    booth.published(other)
    done = portrait(100, CONSENT)
    assert booth.published(done)[0]["faces"][0]["consent"] == CONSENT
    answers = [done, *shots_in_delivery(booth, lambda n: portrait(n, CONSENT), 2)]
    before = copy_of(booth, tmp_path / "before")
    assert set(stored(shutil.copytree(before, tmp_path / "opened"))) == {
        a.verdict.id for a in (other, *answers)
    }
    receipt = booth.purge("--consent", CONSENT)
    assert (receipt["rows"], receipt["keys"]) == (3, 3)
    key = booth.ask("status").data["info"]["receipt_key"]
    signed = verify(receipt["receipt"], key)
    assert signed.asked.names(CONSENT)
    assert {seq for r in signed.removed for seq in range(r.first, r.last + 1)} == {
        answer.verdict.seq for answer in answers
    }
    assert_gone(booth, tmp_path, answers, before)
    assert traces(booth, [CONSENT.encode()]) == []
    booth.broker.resume()
    numbers = {("booth", a.verdict.seq) for a in answers}
    booth.consumer.wait(lambda: numbers <= set(gaps(booth)), 30, "the gaps")
    assert traces(booth, [CONSENT.encode()]) == []
    assert CONSENT not in booth.log_text()
    assert stored(copy_of(booth, tmp_path / "left")) == {other.verdict.id: other.picture}
    again = booth.send(
        astronaut(), camera="booth", scene="poster", consent=[CONSENT], shot=done.verdict.id
    )
    assert (again.verdict.verdict, again.verdict.reason) == ("failed", "purged")


def test_a_purge_by_the_broker_is_answered_with_a_receipt(booth):
    """Also when nothing was held: the reply carries it, signed by the key of `info`."""
    reply = booth.consumer.ask("purge", {"consent": "visit-never"})
    assert reply["status"] == "ok"
    receipt = verify(reply["data"]["receipt"], booth.consumer.info["receipt_key"])
    assert receipt.asked.names("visit-never")
    assert (receipt.device, receipt.rows) == ("booth-1", 0)


def test_a_shot_under_way_is_purged_too(booth):
    """A purge that comes while its shot is in the pipeline is not outrun by it."""
    shot = str(uuid.uuid4())
    crowd = np.tile(astronaut(), (3, 3, 1))  # a second of work: the purge comes into it
    answers = []
    sender = threading.Thread(
        target=lambda: answers.append(booth.send(crowd, camera="booth", shot=shot, want="image"))
    )
    booth.send(face(1), camera="quick")  # the client is connected
    sender.start()
    time.sleep(0.1)  # in the pipeline, or before it: in either case it must come to nothing
    assert not answers, "the shot was over before the purge"
    assert booth.ask("purge", {"shot": shot}).status == "ok"
    sender.join(60)
    answers.append(booth.send(crowd, camera="booth", shot=shot, want="image"))
    for answer in answers:
        assert (answer.verdict.verdict, answer.verdict.reason) == ("failed", "purged")
        assert answer.picture is None
    assert booth.ask("status").data["health"]["outbox"]["retained"] <= 1
    assert booth.consumer.find(shot) is None
