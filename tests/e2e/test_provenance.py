"""Provenance through the whole daemon: what leaves says what it is, and whose camera it was not.

The engine signs in its own network namespace, without any network.
"""

from __future__ import annotations

import hashlib
import io

import c2pa_kit
import cv2
import numpy as np
import pytest
from booth import Booth, until
from photos import astronaut
from PIL import Image as Pillow
from shots import real_models

from edged.privacy.provenance import VOCABULARY

CANARY = "CANARY-0815"
LABEL = "AI-edited"
EXTRA = """
[scenes.labelled]
mode = "disguise"
identities = ["actor"]
label = "{label}"
[provenance]
cert_file = "c2pa/cert.pem"
key_file = "c2pa/key.pem"
"""


@pytest.fixture(scope="module")
def booth(tmp_path_factory):
    c2pa_kit.c2pa()
    folder = tmp_path_factory.mktemp("booth")
    c2pa_kit.certificates(folder / "c2pa")
    with Booth(folder, models=real_models(), extra=EXTRA.format(label=LABEL)) as device:
        yield device


def photo():
    """The astronaut in a file that says where, when and by whom it was taken."""
    exif = Pillow.Exif()
    exif[0x010F] = exif[0x013B] = CANARY
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 11.0, 4.0), 29: CANARY})
    exif.get_ifd(0x8769).update({0x927C: CANARY.encode() * 9})
    image = Pillow.fromarray(cv2.cvtColor(astronaut(), cv2.COLOR_BGR2RGB))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, exif=exif, comment=CANARY)
    assert file.getvalue().count(CANARY.encode()) >= 5
    return file.getvalue()


@pytest.fixture(scope="module")
def done(booth):
    """A shot's answer, its result and its picture as the broker has them."""
    answer = booth.client.send_shot(photo(), camera="booth", scene="labelled", want="image")
    assert (answer.verdict.verdict, answer.verdict.reason) == ("queued", "ok")
    return (answer, *booth.published(answer))


def test_answer_and_broker_have_the_same_signed_bytes(booth, done):
    """One picture, whose hash the result names."""
    answer, doc, _ = done
    assert booth.consumer.picture(answer.verdict.id) == answer.picture
    assert doc["image"]["sha256"] == hashlib.sha256(answer.picture).hexdigest()
    assert doc["image"]["c2pa"] is True
    assert doc["image"]["digital_source_type"] == "compositeWithTrainedAlgorithmicMedia"


def test_the_manifest_holds_and_names_no_other_picture(done):
    """Read back by the package's own reader; no thumbnail, no ingredient, one JPEG."""
    picture = done[0].picture
    store = c2pa_kit.read(picture)
    assert store["state"] == "Valid"
    assert len(store["manifests"]) == 1
    assert "thumbnail" not in str(store)
    assert "ingredient" not in str(store)
    assert picture.count(b"\xff\xd8\xff") == 1
    source = VOCABULARY + "compositeWithTrainedAlgorithmicMedia"
    assert f'DigitalSourceType="{source}"'.encode() in picture


def test_nothing_of_the_camera_s_file_leaves(booth, done):
    """Neither in the picture nor in the result nor in the log."""
    answer, doc, _ = done
    for place in (answer.picture, str(doc).encode(), booth.log_text().encode()):
        assert CANARY.encode() not in place
    assert b"Exif" not in answer.picture


def test_info_says_who_signs_and_until_when(booth):
    """The operator sees at the broker when a certificate must be renewed."""
    until(lambda: booth.consumer.info, 10, "info")
    about = booth.consumer.info["provenance"]["c2pa"]
    assert "test signer" in about["signer"]
    assert about["algorithm"] == "es256"
    assert about["not_after"].endswith("Z")


def test_the_label_is_in_the_picture(done):
    """In a corner, where no face is."""
    from edged.stages.label import drawn

    picture = cv2.imdecode(np.frombuffer(done[0].picture, np.uint8), cv2.IMREAD_COLOR)
    label = drawn(LABEL, *picture.shape[:2])
    corner = picture[-label.shape[0] :, -label.shape[1] :].astype(int)
    assert np.abs(corner - label).mean() < 8


def test_the_cost_is_told(done):
    """Encoding and signing are one stage of the result's latency."""
    assert 0 < done[1]["latency_ms"]["encode"] < 1000


def test_a_certificate_that_is_over_stops_the_start(tmp_path):
    """It is said with what to do, and no visitor meets it first."""
    c2pa_kit.c2pa()
    c2pa_kit.certificates(tmp_path / "c2pa", days=-1.0)
    device = Booth(tmp_path, extra=EXTRA.format(label=LABEL), consumer=False)
    try:
        device.start_engine(wait=False)
        until(lambda: device.engine.poll() is not None, 60, "the engine gives up")
        assert device.engine.poll() == 71
        assert "provenance.cert_file is not good for C2PA" in device.log_text()
    finally:
        device.__exit__()
