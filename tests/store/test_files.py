"""What the model folder says of its files, and what it takes in."""

from __future__ import annotations

import hashlib
import io
import os

import msgspec
import pytest

from edged.errors import ModelError, OperatorError
from edged.recipe import Licence, Recipe, list_recipes
from edged.store import ModelStore

BODY = b"a model" * 1000
HASH = hashlib.sha256(BODY).hexdigest()
FREE = Licence(name="MIT", commercial=True, vendor="us")


def recipe(**changes):
    base = Recipe(
        id="net", title="A net", kind="detector", family="scrfd", licence=FREE,
        verified="no", file="net.onnx", size_bytes=len(BODY), sha256=HASH,
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


UNPINNED = {"sha256": "unpinned", "size_bytes": 0}


@pytest.fixture
def store(tmp_path):
    """Makes a store of one recipe in an own folder."""
    return lambda **changes: ModelStore(tmp_path / "models", {"net": recipe(**changes)})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "from-usb.onnx"
    path.write_bytes(BODY)
    return path


def names(folder):
    return [path.name for path in folder.iterdir()]


def never(_, sha256):
    raise AssertionError(f"asked about {sha256}")


def test_an_absent_model_says_which_command_helps(store):
    """The error names the file and the way to get it."""
    with pytest.raises(ModelError, match="run `edged models import FILE --as net`"):
        store().path("net")


def test_an_unknown_model_is_met_with_a_near_one(store):
    """A mistyped id gets a did-you-mean."""
    with pytest.raises(ModelError, match='did you mean "net"'):
        store().path("nett")


def test_a_right_file_is_taken_in_and_ready(store, file):
    """After an import the file is in place, readable by all, hash recorded, nothing asked."""
    shelf = store()
    status = shelf.import_file("net", file, never)
    assert status.state == "ready"
    assert shelf.ready("net").read_bytes() == BODY
    assert shelf.sha256("net") == HASH
    assert shelf.status("net").state == "ready"
    assert shelf.path("net").stat().st_mode & 0o777 == 0o644
    assert sorted(names(shelf.folder)) == ["net.onnx", "net.onnx.sha256"]


def test_looking_at_a_file_records_nothing(store):
    """A whole file is hashed as when it is verified, and the folder stays as it was."""
    shelf = store()
    shelf.folder.mkdir()
    (shelf.folder / "net.onnx").write_bytes(BODY)
    assert shelf.look("net").state == "ready"
    assert names(shelf.folder) == ["net.onnx"]
    assert shelf.verify("net").state == "ready"
    assert sorted(names(shelf.folder)) == ["net.onnx", "net.onnx.sha256"]


def test_a_wrong_file_changes_nothing(store, file):
    """Another hash of the same size is refused; the good file stays and no scrap is left."""
    shelf = store()
    shelf.import_file("net", file, never)
    file.write_bytes(BODY[:-1] + b"!")
    with pytest.raises(ModelError, match="has SHA-256"):
        shelf.import_file("net", file, never)
    assert shelf.path("net").read_bytes() == BODY
    assert sorted(names(shelf.folder)) == ["net.onnx", "net.onnx.sha256"]


def test_a_file_that_is_too_large_is_not_copied_to_its_end(store):
    """An endless stream is cut at the recipe's size."""

    class Endless(io.RawIOBase):
        def read(self, n=-1):
            return b"x" * (n if n > 0 else 1)

    shelf = store()
    with pytest.raises(ModelError, match="larger than"):
        shelf.take_in(shelf.recipe("net"), Endless(), "a stream", never)
    assert names(shelf.folder) == []


def test_an_unpinned_file_is_asked_about_with_its_hash(store, file):
    """The person is shown the hash; no leaves nothing, yes is remembered."""
    shelf, asked = store(**UNPINNED), []
    with pytest.raises(ModelError, match="not trusted"):
        shelf.import_file("net", file, lambda *question: asked.append(question[1]))
    assert asked == [HASH]
    assert names(shelf.folder) == []
    shelf.import_file("net", file, lambda *_: True)
    assert shelf.status("net").state == "ready"


def test_a_hash_that_others_publish_needs_no_question(store, file):
    """A known copy of an unpinned network is taken without asking."""
    shelf = store(**UNPINNED, known_sha256={HASH: "somebody"})
    assert shelf.import_file("net", file, never).state == "ready"


def test_another_known_copy_of_a_pinned_network_is_taken_too(store, tmp_path):
    """Of whatever size; any third file is refused."""
    other, third = b"another export of the same network", b"a network of somebody else"
    known = hashlib.sha256(other).hexdigest()
    shelf = store(known_sha256={known: "somebody"})
    path = tmp_path / "copy.onnx"
    path.write_bytes(other)
    assert shelf.import_file("net", path, never).state == "ready"
    assert shelf.status("net").state == "ready"
    assert shelf.verify("net").sha256 == shelf.sha256("net") == known
    path.write_bytes(third)
    with pytest.raises(ModelError, match="bytes, net has"):
        shelf.import_file("net", path, never)


def test_a_changed_file_is_damaged_even_when_no_hash_is_pinned(store, file):
    """Trusted once means: this content. A flipped byte is found by verify."""
    shelf = store(**UNPINNED)
    path = shelf.import_file("net", file, lambda *_: True).path
    path.write_bytes(BODY[:-1] + b"!")
    assert shelf.verify("net").state == "damaged"


def test_a_pinned_file_put_there_by_hand_is_checked_before_it_runs(store):
    """`ready` hashes what nobody has hashed; `path` alone does not."""
    shelf = store()
    shelf.folder.mkdir()
    (shelf.folder / "net.onnx").write_bytes(BODY[:-1] + b"!")
    assert shelf.status("net").state == "unverified"
    with pytest.raises(ModelError, match="has SHA-256"):
        shelf.ready("net")
    (shelf.folder / "net.onnx").write_bytes(BODY)
    assert shelf.ready("net").is_file()
    assert shelf.status("net").state == "ready"


def test_a_file_younger_than_its_recorded_hash_is_hashed_again(store, file):
    """A swap of the file under a recorded hash is not believed."""
    shelf = store()
    path = shelf.import_file("net", file, never).path
    path.write_bytes(BODY[:-1] + b"!")
    noted = (shelf.folder / "net.onnx.sha256").stat().st_ctime_ns
    while path.stat().st_ctime_ns <= noted:  # the kernel's clock ticks in milliseconds
        os.utime(path, ns=(0, 0))  # an old date, as `cp -p` would give it
    with pytest.raises(ModelError, match="has SHA-256"):
        shelf.ready("net")


def test_a_file_of_another_size_is_damaged_at_a_glance(store):
    """A truncated copy needs no hashing to be found."""
    shelf = store()
    shelf.folder.mkdir()
    (shelf.folder / "net.onnx").write_bytes(b"short")
    with pytest.raises(ModelError, match="has 5 bytes"):
        shelf.path("net")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_calls_the_operator(store, file):
    """No traceback for permissions."""
    shelf = store()
    shelf.folder.mkdir(mode=0o500)
    with pytest.raises(OperatorError, match="cannot be written"):
        shelf.import_file("net", file, never)


def test_a_folder_that_is_a_file_calls_the_operator(store):
    """The built-in pack cannot be put there."""
    shelf = store(builtin=True)
    shelf.folder.write_text("")
    with pytest.raises(OperatorError, match="cannot be written"):
        shelf.ensure_builtin(lambda _: None, "1")


def test_the_builtin_pack_is_made_once_for_each_version(tmp_path):
    """Made when absent, kept when there, made anew for a new version or after a loss."""
    store = ModelStore(tmp_path / "models", list_recipes())
    calls = []

    def write(folder):
        calls.append(folder)
        for part in ("recogniser", "swapper", "restorer"):
            (folder / f"builtin_{part}.onnx").write_bytes(os.urandom(10))

    store.ensure_builtin(write, "1")
    store.ensure_builtin(write, "1")
    assert len(calls) == 1
    assert store.verify("builtin_swapper").state == "ready"
    store.ensure_builtin(write, "2")
    store.path("builtin_swapper").unlink()
    store.ensure_builtin(write, "2")
    assert len(calls) == 3
