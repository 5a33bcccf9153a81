"""Receipts of purges: signed, canonical, tied to one device, and silent about people."""

from __future__ import annotations

import json
from base64 import b64encode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from outbox_kit import put

from edged.errors import OperatorError
from edged.transport.outbox import Outbox
from edged.transport.outbox_rows import PurgeSelector
from edged.transport.receipt_key import FILE, open_key
from edged.transport.receipts import PREFIX, Asked, Notary, key_text, verify

MASTER = bytes(range(32))


def nothing(*_):
    """An event that nobody takes."""


def signed(folder, selector=None):
    """A receipt of a real purge of a real outbox, and the device's key."""
    box = Outbox.open(folder)
    for _ in range(3):
        put(box, consents=("ref-1",))
    put(box, camera="door", consents=("ref-2",))
    put(box, consents=("ref-1", "ref-2"))
    notary = Notary(open_key(folder, None, nothing), "booth-1", "hall")
    selector = selector or PurgeSelector(consent="ref-1")
    receipt = notary.sign(selector, box.purge(selector), box.session, clock_synced=True)
    box.close()
    return receipt, notary.public_key


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return signed(tmp_path_factory.mktemp("outbox"))


def test_a_receipt_says_what_was_destroyed(kept):
    """Counts, and the numbers of the results camera by camera, as consumers know them."""
    receipt = verify(*kept)
    assert (receipt.device, receipt.site, receipt.clock_synced) == ("booth-1", "hall", True)
    assert (receipt.rows, receipt.pictures, receipt.keys) == (4, 4, 4)
    assert [(r.camera, r.first, r.last) for r in receipt.removed] == [("booth", 1, 4)]
    assert receipt.removed[0].session == receipt.session


def test_numbers_in_between_that_stay_are_not_said_to_be_gone(tmp_path):
    """Ranges have holes where a result was kept."""
    receipt = verify(*signed(tmp_path, PurgeSelector(consent="ref-2")))
    assert [(r.camera, r.first, r.last) for r in receipt.removed] == [
        ("booth", 4, 4),
        ("door", 1, 1),
    ]


def test_whoever_knows_the_reference_can_check_it_and_nobody_else_reads_it(kept):
    """The reference stands in the receipt as a hash under a salt of this receipt's own."""
    receipt = verify(*kept)
    assert receipt.asked.by == "consent"
    assert receipt.asked.names("ref-1")
    assert not receipt.asked.names("ref-2")
    assert "ref-1" not in json.dumps(kept[0])


def test_two_receipts_for_one_reference_cannot_be_linked(tmp_path):
    """Each has its own salt."""
    one, two = (signed(tmp_path / name)[0]["receipt"]["asked"] for name in "ab")
    assert one["digest"] != two["digest"]


def test_a_purge_that_found_nothing_has_a_receipt_too(tmp_path):
    """It says so: nothing was held."""
    receipt = verify(*signed(tmp_path, PurgeSelector(consent="never-used")))
    assert (receipt.rows, receipt.removed) == (0, ())


LEAVES = [
    ("receipt", "device"), ("receipt", "site"), ("receipt", "session"), ("receipt", "at_ms"),
    ("receipt", "clock_synced"), ("receipt", "rows"), ("receipt", "keys"), ("receipt", "id"),
    ("receipt", "wal_truncated"), ("receipt", "asked", "by"), ("receipt", "asked", "digest"),
    ("receipt", "removed", 0, "to"), ("receipt", "removed", 0, "camera"), ("signature",),
    ("public_key",), ("receipt", "v"), ("receipt", "kind"), ("receipt", "removed_more"),
]  # fmt: skip


def other(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return ("A" if value[:1] != "A" else "B") + value[1:]


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(str(p) for p in path))
def test_an_altered_receipt_is_not_valid(kept, path):
    """Any word of it changed: the signature does not fit any more."""
    receipt, key = json.loads(json.dumps(kept[0])), kept[1]
    at = receipt
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = other(at[path[-1]])
    with pytest.raises(ValueError, match=r"altered|another key"):
        verify(receipt, key)


def test_added_and_missing_fields_are_not_valid(kept):
    """What was not signed may not ride along."""
    for change in ({"note": "x"}, {"rows": None}):
        receipt = json.loads(json.dumps(kept[0]))
        receipt["receipt"] = {
            k: v for k, v in {**receipt["receipt"], **change}.items() if v is not None
        }
        with pytest.raises(ValueError, match="altered"):
            verify(receipt, kept[1])


def test_a_receipt_that_brings_its_own_key_is_not_believed(kept):
    """A forger signs what he likes: the key must be the device's."""
    forger = Ed25519PrivateKey.generate()
    receipt = json.loads(json.dumps(kept[0]))
    body = PREFIX + msgspec.json.encode(receipt["receipt"], order="sorted")
    receipt["signature"] = b64encode(forger.sign(body)).decode()
    receipt["public_key"] = key_text(forger.public_key())
    with pytest.raises(ValueError, match="another key signed"):
        verify(receipt, kept[1])
    assert verify(receipt, receipt["public_key"]).rows == 4


def test_others_can_check_the_signature_by_the_words_of_the_readme(kept):
    """Sorted keys, no white space, a prefix: no code of ours is needed."""
    receipt, key = kept
    body = json.dumps(receipt["receipt"], sort_keys=True, separators=(",", ":")).encode()
    import base64

    raw = base64.b64decode(key.removeprefix("ed25519:"))
    signature = base64.b64decode(receipt["signature"])
    Ed25519PublicKey.from_public_bytes(raw).verify(signature, b"edged purge receipt 1\n" + body)


@pytest.mark.parametrize("key", ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", "ed25519:***"])
def test_a_text_that_is_no_key_is_explained(kept, key):
    """Before anything is verified with it."""
    with pytest.raises(ValueError, match="edged receipt key"):
        verify(kept[0], key)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_receipt_are_one_error(data):
    """Whatever they are."""
    with pytest.raises(ValueError, match="no receipt"):
        verify(data, "ed25519:" + b64encode(bytes(32)).decode())


# -- the key --------------------------------------------------------------------------


def test_the_key_is_made_once_and_is_the_owners_alone(tmp_path):
    """The same after every start, mode 0600."""
    first = open_key(tmp_path, None, nothing).private_bytes_raw()
    assert open_key(tmp_path, None, nothing).private_bytes_raw() == first
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_master_key_wraps_it_also_afterwards(tmp_path):
    """The plain key does not stay in the file, and the device keeps its name."""
    first = open_key(tmp_path, None, nothing).private_bytes_raw()
    assert first in (tmp_path / FILE).read_bytes()
    assert open_key(tmp_path, MASTER, nothing).private_bytes_raw() == first
    assert first not in (tmp_path / FILE).read_bytes()
    assert open_key(tmp_path, MASTER, nothing).private_bytes_raw() == first


@pytest.mark.parametrize("master", [None, bytes(32)], ids=["absent", "another"])
def test_a_wrapped_key_needs_its_master_key(tmp_path, master):
    """It is not replaced by a new one: that would make old receipts look forged."""
    open_key(tmp_path, MASTER, nothing)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(OperatorError, match="credential"):
        open_key(tmp_path, master, nothing)
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"EDGEDSIG", None], ids=["empty", "torn", "flipped"])
def test_a_damaged_key_is_set_aside_and_told(tmp_path, damage):
    """The engine starts all the same, with a new key."""
    first = open_key(tmp_path, None, nothing).private_bytes_raw()
    path = tmp_path / FILE
    raw = path.read_bytes()
    path.write_bytes(raw[:20] + bytes([raw[20] ^ 1]) + raw[21:] if damage is None else damage)
    events = []
    assert open_key(tmp_path, None, lambda *e: events.append(e)).private_bytes_raw() != first
    assert events == [("receipt-key-replaced", "damaged", {})]
    assert list(tmp_path.glob(FILE + ".damaged-*"))


def test_a_digest_that_is_no_ascii_names_nobody():
    """A receipt of odd letters is answered, not crashed on."""
    assert not Asked("shot", digest="\u00e9", salt="00").names("s1")
