"""Where models come from, and what becomes of wrong ones."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile

import msgspec
import pytest
from model_server import serving

from edged.errors import LinkError, ModelError
from edged.recipe import Licence, Recipe, Source
from edged.store import ModelStore, pull
from edged.store.download import Patience

BODY = os.urandom(200_000)
OTHER = os.urandom(1000)
FREE = Licence(name="MIT", commercial=True, vendor="us")
QUICK = Patience(timeout_s=5, attempts=2, pause_s=0.001)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def recipe(model_id, body, *sources, **changes):
    base = Recipe(
        id=model_id, title="A net", kind="detector", family="scrfd", licence=FREE, verified="no",
        file=f"{model_id}.onnx", size_bytes=len(body), sha256=sha(body), sources=sources,
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


@pytest.fixture
def server():
    with serving() as how:
        yield how


@pytest.fixture
def go(tmp_path):
    """Pulls recipes into an own folder; gives the store."""

    def run(*recipes, trust=None, mirror=""):
        store = ModelStore(tmp_path / "models", {one.id: one for one in recipes})
        started = []

        def on_start(one, host):
            started.append((one.id, host))
            return lambda *_: None

        def never(_, sha256):
            raise AssertionError(f"asked about {sha256}")

        pull(
            store, store.recipes, trust=trust or never, on_start=on_start, mirror=mirror,
            patience=QUICK,
        )  # fmt: skip
        run.started = started
        return store

    return run


def test_a_model_comes_from_its_first_source(go, server):
    """One request, right file, ready; a second pull asks nobody."""
    server.files["net.onnx"] = BODY
    net = recipe("net", BODY, Source(url=f"{server.url}/net.onnx"))
    store = go(net)
    assert store.ready("net").read_bytes() == BODY
    assert go.started == [("net", "127.0.0.1")]
    go(net)
    assert len(server.requests) == 1


def test_a_source_with_wrong_bytes_is_passed_over(go, server):
    """Same size, other hash: thrown away, and the next source serves."""
    server.files = {"bad": os.urandom(len(BODY)), "good": BODY}
    sources = (Source(url=f"{server.url}/bad"), Source(url=f"{server.url}/good"))
    assert go(recipe("net", BODY, *sources)).ready("net").read_bytes() == BODY


def test_wrong_bytes_everywhere_leave_nothing_behind(go, server, tmp_path):
    """The error has both hashes; neither file nor part stays, so the next pull begins anew."""
    wrong = os.urandom(len(BODY))
    server.files["net.onnx"] = wrong
    with pytest.raises(ModelError, match=f"(?s){sha(wrong)}.*{sha(BODY)}.*models import FILE"):
        go(recipe("net", BODY, Source(url=f"{server.url}/net.onnx")))
    assert not list((tmp_path / "models").iterdir())


def test_a_link_that_fails_is_a_link_error_and_is_continued(go, server, tmp_path):
    """What came is kept, `status` says so, and the next pull goes on."""
    server.files["net.onnx"] = BODY
    net = recipe("net", BODY, Source(url=f"{server.url}/net.onnx"))
    server.cuts = [50_000, 0, 0]
    with pytest.raises(LinkError, match="50000 bytes are kept"):
        go(net)
    store = ModelStore(tmp_path / "models", {"net": net})
    assert store.status("net").state == "partial"
    server.cuts = []
    assert go(net).ready("net").read_bytes() == BODY
    assert server.requests[-1][1] == "bytes=50000-"


def test_two_models_of_one_archive_cost_one_download(go, server, tmp_path):
    """An archive serves all its models and is removed."""
    server.files["pack.zip"] = zipped({"pack/a.onnx": BODY, "pack/b.onnx": OTHER, "c.txt": b"c"})
    pin = sha(server.files["pack.zip"])
    source = {"url": f"{server.url}/pack.zip", "archive_sha256": pin}
    store = go(
        recipe("a", BODY, Source(member="a.onnx", **source)),
        recipe("b", OTHER, Source(member="b.onnx", **source)),
    )
    assert store.ready("a").read_bytes() == BODY
    assert store.ready("b").read_bytes() == OTHER
    assert len(server.requests) == 1
    assert not (tmp_path / "models" / ".archives").exists()


def test_an_archive_with_another_hash_is_not_opened(go, server):
    """The archive's own pin is checked before anything is taken from it."""
    server.files["pack.zip"] = zipped({"a.onnx": BODY})
    source = Source(url=f"{server.url}/pack.zip", member="a.onnx", archive_sha256="0" * 64)
    with pytest.raises(ModelError, match=r"pack\.zip has SHA-256"):
        go(recipe("a", BODY, source))


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (zipped({"other.onnx": BODY}), r"holds 0 files a\.onnx"),
        (zipped({"x/a.onnx": BODY, "y/a.onnx": BODY}), r"holds 2 files a\.onnx"),
        (b"PK\x03\x04 this is no archive", "no archive that can be read"),
        (zipped({"a.onnx": BODY})[:-30], "no archive that can be read"),
        (zipped({"a.onnx": bytes(50_000_000)}), "unpacks to 1028 times its size"),
        (zipped({"a.onnx": BODY + OTHER}), "is larger than 200000 bytes"),
    ],
    ids=["absent", "twice", "rubbish", "truncated", "bomb", "large"],
)
def test_an_archive_that_is_not_right_is_refused(go, server, archive, reason, tmp_path):
    """Absent and doubled members, rubbish and bombs end in one sentence and no file."""
    server.files["pack.zip"] = archive
    source = Source(url=f"{server.url}/pack.zip", member="a.onnx")
    with pytest.raises(ModelError, match=reason):
        go(recipe("a", BODY, source))
    assert not list((tmp_path / "models").glob("*.onnx"))


def test_an_unpinned_model_that_is_not_trusted_is_kept_for_a_second_thought(go, server):
    """No leaves no model, and a later yes needs no second download."""
    server.files["net.onnx"] = BODY
    source = Source(url=f"{server.url}/net.onnx")
    net = recipe("net", BODY, source, sha256="unpinned", size_bytes=0)
    with pytest.raises(ModelError, match="not trusted"):
        go(net, trust=lambda *_: False)
    before = server.sent
    assert go(net, trust=lambda *_: True).ready("net").read_bytes() == BODY
    assert server.sent == before


def test_a_mirror_is_used_instead_of_the_sources(go, server):
    """Its files have the recipes' names; the sources are not asked."""
    server.files["net.onnx"] = BODY
    net = recipe("net", BODY, Source(url="https://example.invalid/away/somewhere.onnx"))
    assert go(net, mirror=f"{server.url}/models/").ready("net").read_bytes() == BODY
    assert server.requests == [("/models/net.onnx", "")]


def test_a_mirror_may_have_the_archive_instead(go, tmp_path):
    """A folder on a USB stick with the vendor's archive serves as well."""
    usb = tmp_path / "usb stick"
    usb.mkdir()
    (usb / "pack.zip").write_bytes(zipped({"a.onnx": BODY}))
    source = Source(url="https://example.invalid/pack.zip", member="a.onnx")
    store = go(recipe("a", BODY, source), mirror=usb.as_uri())
    assert store.ready("a").read_bytes() == BODY
    assert (usb / "pack.zip").exists()


def test_a_model_without_sources_says_how_to_import_it(go):
    """The vendor and the command are named."""
    with pytest.raises(ModelError, match=r"get the file from us and run `edged models import FILE"):
        go(recipe("net", BODY))
