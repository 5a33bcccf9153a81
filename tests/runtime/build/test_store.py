"""The store gives out whole, fresh, accepted engines; everything else with its reason."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from edged.runtime.backend import Shapes
from edged.runtime.build import manifest as paper
from edged.runtime.build.make import Order, make
from edged.runtime.build.store import Found, Missing

NEW_SHA = "9" * 64
CHANGES = {
    "runtime": lambda _old: "tensorrt",
    "identity": lambda old: {**old, "onnxruntime": "2.0"},
    "model_sha256": lambda _old: NEW_SHA,
    "recipe": lambda _old: NEW_SHA,
    "graph": lambda _old: NEW_SHA,
    "plan": lambda _old: NEW_SHA,
    "source": lambda _old: NEW_SHA,
    "profile": lambda _old: msgspec.convert(
        {"inputs": {"crops": Shapes((1,), (2,), (3,))}}, type(_old)
    ),
    "settings": lambda old: {**old, "workspace_mb": "1"},
}


@pytest.fixture
def built(store, model, fake):
    """Folder and manifest of an accepted engine."""
    make(store, Order(model, fake()))
    found = store.best(model, fake())
    assert isinstance(found, Found)
    return found


def test_what_was_built_and_accepted_is_given_out(built, store, model):
    """A fresh engine comes with its folder and the paper of what was seen of it."""
    assert built.manifest.status == "accepted"
    assert built.folder == store.home(model.id) / built.manifest.depends.key
    assert built.manifest.verdict.figures == {"cosine": 1.0}
    assert built.manifest.verdict.batches == (1, 4, 8)
    assert built.manifest.ran.on == "none"
    assert built.manifest.precision == "fp32"
    assert "precision" in built.manifest.precision_note


def test_an_empty_store_says_what_to_run(store, model, fake):
    """Without an engine the reason names the command that makes one."""
    missing = store.best(model, fake())
    assert isinstance(missing, Missing)
    assert missing.state == "absent"
    assert "edged engines build w600k_r50" in missing.reason


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_a_manifest_that_differs_in_any_field_is_never_loaded(built, store, model, fake, field):
    """Each dependency alone makes an engine stale, even under the right folder name."""
    depends = built.manifest.depends
    other = msgspec.structs.replace(depends, **{field: CHANGES[field](getattr(depends, field))})
    changed = msgspec.structs.replace(built.manifest, depends=other)
    (built.folder / paper.NAME).write_bytes(paper.encode(changed))
    missing = store.best(model, fake())
    assert isinstance(missing, Missing)
    assert missing.state == "stale"
    assert len(missing.differs) == 1
    assert missing.differs[0] in missing.reason


def test_the_reason_names_what_differs(built, store, model, fake):
    """After an update of the runtime a person reads both versions."""
    missing = store.best(model, fake(identity={"onnxruntime": "1.1"}))
    assert isinstance(missing, Missing)
    assert missing.differs == ("built for onnxruntime 1.0, here is 1.1",)
    assert built.folder.is_dir()


@pytest.mark.usefixtures("built")
def test_another_model_file_makes_an_engine_stale(store, model, fake):
    """An engine of another model is not loaded, and both hashes are told."""
    model.path.write_bytes(model.path.read_bytes() + b"\x32\x01x")  # a doc string
    other = hashlib.sha256(model.path.read_bytes()).hexdigest()
    swapped = type(model)(model.recipe, model.path, other, model.calibration)
    missing = store.best(swapped, fake())
    assert isinstance(missing, Missing)
    assert f"built for model {model.sha256[:12]}, here is {other[:12]}" in missing.differs


@pytest.mark.parametrize(
    "harm",
    [
        ("bytes, not", lambda file: file.write_bytes(file.read_bytes()[:-1])),
        ("SHA-256", lambda file: file.write_bytes(b"\0" + file.read_bytes()[1:])),
        ("is absent", lambda file: file.unlink()),
        ("none of its files", lambda file: file.with_name("more.bin").write_bytes(b"1")),
    ],
    ids=["cut short", "one byte changed", "gone", "a file more"],
)
def test_a_damaged_engine_is_never_loaded(built, store, model, fake, harm):
    """Every file must be as it was built, to the byte."""
    words, do_harm = harm
    do_harm(built.folder / built.manifest.artifact)
    missing = store.best(model, fake())
    assert isinstance(missing, Missing)
    assert missing.state == "damaged"
    assert words in missing.reason


def test_a_damaged_engine_is_built_again(built, store, model, fake, builds):
    """The next build takes its place without being forced."""
    (built.folder / built.manifest.artifact).write_bytes(b"garbage")
    make(store, Order(model, fake()))
    assert isinstance(store.best(model, fake()), Found)
    assert len(builds()) == 2


def test_half_a_manifest_is_never_loaded(built, store, model, fake):
    """A manifest cut short is damage, not an error of the daemon."""
    text = (built.folder / paper.NAME).read_bytes()
    (built.folder / paper.NAME).write_bytes(text[: len(text) // 2])
    missing = store.best(model, fake())
    assert isinstance(missing, Missing)
    assert missing.state == "damaged"


def test_a_runtime_that_cannot_work_is_the_reason(store, model, fake):
    """No engine is looked for where the runtime says what keeps it from working."""

    class Broken(type(fake())):
        """A runtime without a driver."""

        def identity(self):
            from edged.errors import EngineError

            raise EngineError("no driver; install one")

    missing = store.best(model, Broken())
    assert isinstance(missing, Missing)
    assert (missing.state, missing.reason) == ("unbuildable", "no driver; install one")


def test_pruning_removes_what_is_stale_and_keeps_what_serves(built, store, model, fake):
    """After a rebuild for new versions the old engine goes, the new one stays."""
    newer = fake(identity={"onnxruntime": "1.1"})
    make(store, Order(model, newer))
    wanted = store.wanted(model, newer, store.subject(model))
    removed = store.prune(model.id, [wanted])
    assert [entry.folder for entry in removed] == [built.folder]
    assert isinstance(store.best(model, newer), Found)


def test_pruning_spares_what_is_loaded(built, store, model, fake):
    """An engine that a process holds stays, however stale it is."""
    newer = fake(identity={"onnxruntime": "1.1"})
    wanted = store.wanted(model, newer, store.subject(model))
    with built.held():
        assert store.prune(model.id, [wanted]) == []
    assert [entry.folder for entry in store.prune(model.id, [wanted])] == [built.folder]


def test_pruning_spares_runtimes_that_do_not_work_now(built, store, model):
    """A driver that is out of order for a day does not cost the engines."""
    assert store.prune(model.id, []) == []
    assert built.folder.is_dir()


@pytest.mark.usefixtures("built")
def test_the_answer_about_a_graph_is_kept(store, model, fake, monkeypatch):
    """A second look asks no worker, as long as nothing that led to the answer changed."""
    monkeypatch.setattr("edged.runtime.build.process.run", None)
    assert isinstance(store.best(model, fake()), Found)
