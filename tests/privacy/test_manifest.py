"""C2PA manifests: signed, read back by the package's own reader, and without a second picture."""

from __future__ import annotations

import hashlib
import json

import c2pa_kit
import cv2
import numpy as np
import pytest

from edged.errors import FrameError, OperatorError
from edged.privacy.egress import COMMENT_PREFIX, seal
from edged.privacy.guard import Passed
from edged.privacy.manifest import ManifestSigner
from edged.privacy.provenance import VOCABULARY, Marker
from edged.verdicts import Reason

ID = "0b8b5d8e-5a0c-4f0e-9a57-6a2f7f6b1c11"
EDITED = VOCABULARY + "compositeWithTrainedAlgorithmicMedia"


def picture():
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    c2pa_kit.c2pa()
    return ManifestSigner(*c2pa_kit.certificates(tmp_path_factory.mktemp("c2pa") / "es256"))


@pytest.fixture(scope="module")
def sealed(signer):
    return seal(Passed(picture()), result_id=ID, quality=90, swapped=True, marker=Marker(signer))


def actions(store):
    """(action, digital source type) of all assertions of all manifests."""
    return [
        (action["action"], action.get("digitalSourceType"))
        for manifest in store["manifests"].values()
        for assertion in manifest["assertions"]
        for action in assertion["data"].get("actions", ())
    ]


def test_the_manifest_says_how_the_picture_was_made(sealed):
    """Created, with the source type, by edged; the signature and the hash of the bytes hold."""
    store = c2pa_kit.read(sealed.jpeg)
    assert store["state"] == "Valid"
    assert actions(store) == [("c2pa.created", EDITED)]
    (manifest,) = store["manifests"].values()
    assert manifest["claim_generator_info"][0]["name"] == "edged"
    assert manifest["signature_info"]["common_name"] == "test signer"


def test_a_picture_without_a_swap_is_not_said_to_be_of_a_network(signer):
    """Its faces were filled, or it has none."""
    marker = Marker(signer)
    sealed = seal(Passed(picture()), result_id=ID, quality=90, swapped=False, marker=marker)
    store = c2pa_kit.read(sealed.jpeg)
    assert actions(store) == [("c2pa.created", VOCABULARY + "algorithmicallyEnhanced")]
    assert sealed.note.digital_source_type == "algorithmicallyEnhanced"


def test_no_second_picture_is_in_the_file(sealed):
    """No ingredient, no thumbnail, and one JPEG's start and end only."""
    text = json.dumps(c2pa_kit.read(sealed.jpeg))
    for word in ("ingredient", "thumbnail"):
        assert word not in text
        assert word.encode() not in sealed.jpeg
    assert sealed.jpeg.count(b"\xff\xd8\xff") == 1
    assert b"\x89PNG" not in sealed.jpeg


def test_id_source_type_and_hash_are_as_without_it(sealed):
    """The comment and the XMP packet stay, and the note is of the bytes that leave."""
    assert COMMENT_PREFIX + ID.encode() in sealed.jpeg
    assert f'DigitalSourceType="{EDITED}"'.encode() in sealed.jpeg
    assert sealed.note.sha256 == hashlib.sha256(sealed.jpeg).hexdigest()
    assert sealed.note.size_bytes == len(sealed.jpeg)
    assert sealed.note.c2pa is True
    shown = cv2.imdecode(np.frombuffer(sealed.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == picture().shape


@pytest.mark.parametrize("place", [0.3, 0.9], ids=["tables", "scan"])
def test_an_altered_picture_is_found_out(sealed, place):
    """One bit of it."""
    raw = bytearray(sealed.jpeg)
    raw[int(len(raw) * place)] ^= 1
    try:
        state = c2pa_kit.read(bytes(raw))["state"]
    except c2pa_kit.c2pa().C2paError:
        return
    assert state == "Invalid"


@pytest.mark.parametrize("alg", sorted(c2pa_kit.KEYS))
def test_keys_of_every_usual_kind_sign(tmp_path, alg):
    """The algorithm follows from the key."""
    c2pa_kit.c2pa()
    signer = ManifestSigner(*c2pa_kit.certificates(tmp_path / alg, alg))
    marker = Marker(signer)
    sealed = seal(Passed(picture()), result_id=ID, quality=90, swapped=True, marker=marker)
    store = c2pa_kit.read(sealed.jpeg)
    assert store["state"] == "Valid"
    (manifest,) = store["manifests"].values()
    assert manifest["signature_info"]["alg"].lower() == alg


def test_no_address_and_no_time_stamp_is_in_it(sealed):
    """Nothing to be fetched by a viewer, and nobody was asked to attest the time."""
    (manifest,) = c2pa_kit.read(sealed.jpeg)["manifests"].values()
    assert "time" not in manifest["signature_info"]
    rest = sealed.jpeg
    for known in (
        VOCABULARY,
        "http://ns.adobe.com/xap/1.0/",
        "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    ):
        rest = rest.replace(known.encode(), b"")
    assert b"http" not in rest


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"days": -1.0}, "in which it is valid"),
        ({"usage": False}, "digitalSignature"),
    ],
    ids=["over", "no-usage"],
)
def test_a_certificate_that_does_not_do_is_said_at_the_start(tmp_path, sealed, made, said):
    """With what it needs, before a visitor is the first to meet it."""
    signer = ManifestSigner(*c2pa_kit.certificates(tmp_path / "c", **made))
    with pytest.raises(OperatorError, match=said):
        signer.try_out(sealed.jpeg)


def test_files_that_are_no_credentials_are_told_apart(tmp_path):
    """Each with the key of the configuration that names it, and no byte of the file."""
    c2pa_kit.c2pa()
    cert, key = c2pa_kit.certificates(tmp_path / "one")
    _, other = c2pa_kit.certificates(tmp_path / "two")
    junk = tmp_path / "junk"
    junk.write_text("secret words")
    for pair, said in (
        ((junk, key), "cert_file"),
        ((cert, junk), "key_file"),
        ((cert, other), "is not the key of"),
        ((cert, tmp_path / "absent"), "cannot be read"),
    ):
        with pytest.raises(OperatorError, match=said) as caught:
            ManifestSigner(*pair)
        assert "secret" not in str(caught.value)


def broken(_jpeg, _source):
    raise RuntimeError("secret")


def test_a_picture_that_cannot_be_signed_stays_in(caplog):
    """Its sender is told why, the device says that it is degraded, the log names no detail."""
    troubles = []
    marker = Marker(broken, trouble=troubles.append)
    with pytest.raises(FrameError) as caught:
        seal(Passed(picture()), result_id=ID, quality=90, swapped=True, marker=marker)
    assert caught.value.reason == Reason.PROVENANCE_ERROR
    assert troubles == ["signing-failed"]
    assert "secret" not in caplog.text


def test_it_may_leave_unsigned_where_the_operator_says_so():
    """With its source type, and the note does not claim a manifest."""
    troubles = []
    marker = Marker(broken, required=False, trouble=troubles.append)
    sealed = seal(Passed(picture()), result_id=ID, quality=90, swapped=True, marker=marker)
    assert (sealed.note.c2pa, troubles) == (False, ["signing-failed"])
    assert EDITED.encode() in sealed.jpeg
    good = Marker(lambda jpeg, _source: jpeg, required=False, trouble=troubles.append)
    seal(Passed(picture()), result_id=ID, quality=90, swapped=True, marker=good)
    assert troubles[-1] is None
