"""Built engines: there, accepted, fresh."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from doctor_kit import CARD_FILES, FakeHost, only, setup

from edged.doctor.checks.engines import look
from edged.recipe import list_recipes
from edged.runtime.backend import Profile
from edged.runtime.build.manifest import Built, Depends, Manifest, Piece, Ran, Verdict
from edged.runtime.build.store import EngineStore
from edged.runtime.build.subject import recipe_digest
from edged.runtime.choice import Refusal

MODEL = "builtin_swapper"
HERE = {"TensorRT": "10.3.0", "GPU": "Orin"}
BYTES = b"an engine"
CUDA_ONLY = {"tensorrt": Refusal("x", "y"), "tensorrt-rtx": Refusal("x", "y")}


@pytest.fixture
def configured():
    """One model with a file, so that one engine is wanted."""
    return setup(
        f'[models]\nembedder = "builtin_recogniser"\nswapper = "{MODEL}"\nrestorer = ""\n'
        'guard_recogniser = "builtin_recogniser"\n'
    )


@pytest.fixture
def build(configured, tmp_path):
    """`build(...)`: an engine of the swapper in the store."""
    settings = configured.config.engines

    def make(identity=HERE, accepted=True, ran=True, **changes):
        built = tmp_path / "built"
        built.mkdir()
        (built / "engine.plan").write_bytes(BYTES)
        depends = Depends(
            runtime="tensorrt", identity=identity, model_sha256="a" * 64,
            recipe=recipe_digest(list_recipes()[MODEL]), graph="c", plan="", source="d",
            profile=Profile({}), settings=settings.code,
        )  # fmt: skip
        paper = Manifest(
            model=MODEL, artifact="engine.plan", precision="fp16", precision_note="",
            depends=msgspec.structs.replace(depends, **changes),
            files={"engine.plan": Piece(
                sha256=hashlib.sha256(BYTES).hexdigest(), size_bytes=len(BYTES))},
            built=Built(at_ms=1, took_s=1.0, attempts=1, peak_mb=1, edged="0"),
            ran=Ran(at_ms=1, on="GPU", load_s=0.1, p50_ms=1.0) if ran else None,
            verdict=Verdict(at_ms=1, accepted=accepted, figures={}, bounds={}, batches=(1,),
                            faces=1, reason="" if accepted else "psnr 20 dB") if ran else None,
        )  # fmt: skip
        store = EngineStore(settings)
        store.home(MODEL).mkdir(parents=True)
        return store.put(MODEL, built, paper)

    return make


@pytest.fixture
def found(root, configured):
    """`found()`: what is said of the swapper's engine."""

    def ask(config=configured, **host):
        host.setdefault("identities", {"tensorrt": HERE})
        findings = look(FakeHost(root, files=CARD_FILES, **host), config)
        return [one for one in findings if MODEL in (one.what, *one.what.replace(",", "").split())]

    return ask


def test_an_accepted_engine_of_this_machine_is_well(build, found):
    """With the precision that it runs in."""
    build()
    one = only(found())
    assert (one.id, one.level) == ("engines.fresh", "ok")
    assert f"{MODEL} fp16" in one.what


def test_engines_that_were_never_built_are_a_note(found):
    """The daemon builds them in the background."""
    one = only(found())
    assert (one.id, one.level) == ("engines.absent", "note")
    assert one.cure == ("edged engines build",)


def test_without_the_background_they_are_a_warning(found):
    """Nobody would build them."""
    one = only(found(setup("[engines]\nbackground = false\n")))
    assert (one.id, one.level) == ("engines.absent", "warn")


def test_an_engine_of_another_version_is_stale(build, found):
    """What differs is named."""
    build(identity={**HERE, "TensorRT": "10.1.0"})
    one = only(found())
    assert (one.id, one.level) == ("engines.stale", "note")
    assert "built for TensorRT 10.1.0, here is 10.3.0" in one.what
    assert one.cure == (f"edged engines build {MODEL}",)


def test_an_engine_of_another_recipe_is_stale(build, found):
    """A new bound or batch wants a new one."""
    build(recipe="e" * 64)
    assert only(found()).data["differs"][0].startswith("built for recipe eeee")


def test_a_damaged_engine_warns(build, found):
    """By its hash; it is never loaded."""
    (build() / "engine.plan").write_bytes(b"an engime")
    assert only(found()).id == "engines.damaged"


def test_an_engine_without_a_manifest_that_can_be_read_is_damaged(build, found):
    """Nobody knows what it is."""
    (build() / "manifest.json").write_text("{}")
    assert only(found()).id == "engines.damaged"


def test_a_rejected_engine_warns(build, found):
    """Its numbers were out of bounds."""
    build(accepted=False)
    one = only(found())
    assert (one.id, one.level) == ("engines.rejected", "warn")
    assert "psnr 20 dB" in one.what


def test_an_engine_that_never_ran_is_unproven(build, found):
    """It was built on a machine that could not try it."""
    build(ran=False)
    assert only(found()).id == "engines.unproven"


def test_a_machine_that_runs_on_the_cpu_needs_none(root, configured):
    """Nothing is said there."""
    refused = {**CUDA_ONLY, "cuda": Refusal("x", "y")}
    assert list(look(FakeHost(root, refused=refused), configured)) == []
