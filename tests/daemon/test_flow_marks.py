"""Consent and provenance on their way through the flow."""

from __future__ import annotations

import hashlib

import pytest
from flow_kit import NOTE, SHOT, running, until

from edged.privacy.provenance import Marker
from edged.transport.outbox import PurgeSelector
from edged.transport.wire import FaceNote
from edged.verdicts import Reason, Verdict


class Pen:
    """A signer that can be out of ink."""

    def __init__(self):
        self.empty = False

    def __call__(self, jpeg, source):
        if self.empty:
            raise RuntimeError
        return jpeg + source.encode()


@pytest.fixture
def rig(tmp_path):
    with running(tmp_path / "o") as made:
        yield made


def stored(rig):
    """Documents and pictures that wait for the broker."""
    import msgspec

    rows = [rig.outbox.load(row) for row in rig.outbox.pending(9)]
    return [(msgspec.json.decode(row.doc_json), row.jpeg) for row in rows]


def test_every_reference_of_a_shot_travels_with_its_result(rig):
    """Also those that no face of the result carries."""
    ticket = rig.shoot(consents=("ref-1", "ref-2"))
    assert rig.answers.of(ticket)[0].verdict is Verdict.QUEUED
    ((doc, _),) = stored(rig)
    assert doc["consents"] == ["ref-1", "ref-2"]
    assert rig.outbox.purge(PurgeSelector(consent="ref-2")).rows == 1


def test_a_consent_purged_while_its_shot_is_worked_on_keeps_the_picture_in(rig):
    """It is answered "purged", and so is the same shot again."""
    rig.pipeline.gate.clear()
    ticket = rig.shoot(consents=("ref-1",), want=True)
    assert rig.pipeline.entered.wait(10)
    assert rig.outbox.purge(PurgeSelector(consent="ref-1")).rows == 0
    rig.pipeline.gate.set()
    doc, picture = rig.answers.of(ticket)
    assert (doc.verdict, doc.reason, picture) == (Verdict.FAILED, Reason.PURGED, None)
    again = rig.answers.of(rig.shoot(consents=("ref-1",), want=True))
    assert (again[0].reason, again[1]) == (Reason.PURGED, None)
    assert stored(rig) == []


@pytest.mark.parametrize(
    ("action", "source"),
    [("swapped", "compositeWithTrainedAlgorithmicMedia"), ("filled", "algorithmicallyEnhanced")],
)
def test_the_source_type_follows_what_was_done(rig, monkeypatch, action, source):
    """Fills are no network's work."""
    made = rig.pipeline.process

    def process(frame, job):
        outcome = made(frame, job)
        outcome.faces = (FaceNote(box_px=(1, 2, 3, 4), action=action),)
        return outcome

    monkeypatch.setattr(rig.pipeline, "process", process)
    assert rig.pipeline.note is NOTE
    rig.answers.of(rig.shoot())
    ((doc, jpeg),) = stored(rig)
    assert doc["image"]["digital_source_type"] == source
    assert source.encode() in jpeg


def test_a_picture_that_could_not_be_signed_may_be_sent_again(rig):
    """Its sender is told why; nothing of it is stored, and the next try counts."""
    pen, troubles = Pen(), []
    rig.parts.marker = Marker(pen, trouble=troubles.append)
    pen.empty = True
    doc, picture = rig.answers.of(rig.shoot(want=True))
    assert (doc.verdict, doc.reason, picture) == (Verdict.FAILED, Reason.PROVENANCE_ERROR, None)
    assert (stored(rig), troubles) == ([], ["signing-failed"])
    pen.empty = False
    doc, picture = rig.answers.of(rig.shoot(want=True))
    assert doc.verdict is Verdict.QUEUED
    assert troubles[-1] is None
    ((stored_doc, jpeg),) = stored(rig)
    assert picture.jpeg == jpeg
    assert stored_doc["image"]["c2pa"] is True
    assert stored_doc["image"]["sha256"] == hashlib.sha256(jpeg).hexdigest()
    assert stored_doc["id"] == SHOT


def test_the_buffer_of_an_unsigned_picture_goes_back(rig):
    """A failing signer leaks no memory."""
    pen = Pen()
    pen.empty = True
    rig.parts.marker = Marker(pen)
    rig.answers.of(rig.shoot())
    until(lambda: rig.pipeline.buffers[0]._released)
