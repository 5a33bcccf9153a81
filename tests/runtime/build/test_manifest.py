"""The manifest: what a key depends on, what differs, and what counts as accepted."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import EngineError
from edged.runtime.backend import Profile, Shapes
from edged.runtime.build import manifest as paper
from edged.runtime.build.manifest import Built, Depends, Manifest, Piece, Ran, Verdict

DEPENDS = Depends(
    runtime="tensorrt",
    identity={"TensorRT": "10.3.0", "CUDA": "12.6", "GPU": "Orin", "SM": "87"},
    model_sha256="a" * 64,
    recipe="b" * 64,
    graph="c" * 64,
    plan="d" * 64,
    source="e" * 64,
    profile=Profile({"crops": Shapes((1, 8, 8, 3), (2, 8, 8, 3), (4, 8, 8, 3))}),
    settings={"workspace_mb": "2048", "optimisation_level": "3"},
)
MANIFEST = Manifest(
    model="swapper",
    artifact="engine.plan",
    depends=DEPENDS,
    precision="fp16",
    precision_note="as planned",
    files={"engine.plan": Piece(sha256="f" * 64, size_bytes=5)},
    built=Built(at_ms=1, took_s=2.0, attempts=1, peak_mb=3, edged="0"),
)
RAN = Ran(at_ms=1, on="GPU", load_s=0.1, p50_ms=1.0)
VERDICT = Verdict(at_ms=1, accepted=True, figures={}, bounds={}, batches=(1,), faces=1)


def changed(depends: Depends, name: str, text: str) -> Depends:
    """The same dependencies with another value of one field."""
    value = getattr(depends, name)
    if isinstance(value, str):
        return msgspec.structs.replace(depends, **{name: text})
    if isinstance(value, dict):
        return msgspec.structs.replace(depends, **{name: {**value, next(iter(value)): text}})
    wide = Shapes((1, 8, 8, 3), (2, 8, 8, 3), (4 + len(text), 8, 8, 3))
    return msgspec.structs.replace(depends, profile=Profile({"crops": wide}))


@given(st.sampled_from(Depends.__struct_fields__), st.text(min_size=1, max_size=20))
def test_the_key_changes_with_every_input(name, text):
    """No dependency can change without the key, nor without a sentence that names it."""
    other = changed(DEPENDS, name, f"~{text}")
    assert other.key != DEPENDS.key
    assert len(DEPENDS.differences(other)) == 1


@given(st.sampled_from(["identity", "settings"]), st.text(min_size=1, max_size=20))
def test_a_pair_more_or_less_changes_the_key(name, word):
    """A runtime that names one thing more than it did has another identity."""
    pairs = {**getattr(DEPENDS, name), f"~{word}": "1"}
    other = msgspec.structs.replace(DEPENDS, **{name: pairs})
    assert other.key != DEPENDS.key
    assert DEPENDS.differences(other) == (f"built for ~{word} none, here is 1",)
    assert other.differences(DEPENDS) == (f"built for ~{word} 1, here is none",)


def test_the_order_of_pairs_does_not_matter():
    """The same identity in another order is the same engine."""
    turned = dict(reversed(DEPENDS.identity.items()))
    assert msgspec.structs.replace(DEPENDS, identity=turned).key == DEPENDS.key


def test_a_difference_reads_like_a_sentence():
    """A person is told what it was built for and what is here."""
    here = msgspec.structs.replace(DEPENDS, identity={**DEPENDS.identity, "TensorRT": "10.16.1"})
    assert DEPENDS.differences(here) == ("built for TensorRT 10.3.0, here is 10.16.1",)


@pytest.mark.parametrize(
    ("ran", "verdict", "status"),
    [
        (None, None, "built"),
        (RAN, None, "ran"),
        (RAN, VERDICT, "accepted"),
        (RAN, msgspec.structs.replace(VERDICT, accepted=False), "rejected"),
        (None, VERDICT, "rejected"),
    ],
)
def test_built_ran_and_accepted_are_kept_apart(ran, verdict, status):
    """Accepted is only what ran and was within its bounds."""
    seen = msgspec.structs.replace(MANIFEST, ran=ran, verdict=verdict)
    assert seen.status == status
    assert seen.accepted is (status == "accepted")
    assert bool(seen.why_not) is (status != "accepted")


def test_it_reads_back_what_it_wrote(tmp_path):
    """A manifest survives its file unchanged."""
    (tmp_path / paper.NAME).write_bytes(paper.encode(MANIFEST))
    assert paper.read(tmp_path) == MANIFEST


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-20],
        lambda text: text.replace(b'"form": 1', b'"form": 2'),
        lambda text: text.replace(b'"model"', b'"modell"'),
        lambda _text: b"",
    ],
)
def test_a_manifest_that_is_not_ours_is_refused(tmp_path, damage):
    """Half a file, another form or an unknown key is an error that says what to do."""
    (tmp_path / paper.NAME).write_bytes(damage(paper.encode(MANIFEST)))
    with pytest.raises(EngineError, match=r"build it again|this edged writes"):
        paper.read(tmp_path)
