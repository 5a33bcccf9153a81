"""Precision plans."""

from __future__ import annotations

import pytest
from doctor_kit import CARD_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.precision import look
from edged.hashes import record

MODELS = '[models]\nrestorer = "gfpgan_1.4"\n'
PLAN = """\
recipe = "gfpgan_1.4"
model_sha256 = "{sha256}"
structure_digest = "{digest}"

[figures]
fp16_macs_share = 0.93
plain_finite = false
measured_on = "a test"
date = "2026-11-25"
psnr_db = 47.25
"""


@pytest.fixture
def plan(state):
    """`plan(text)`: a plan in the device's own folder."""

    def write(text):
        path = state / "calibration" / "precision" / "gfpgan_1.4.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def found(root, files=CARD_FILES):
    return list(look(FakeHost(root, files=files), setup(MODELS)))


def test_a_model_without_a_plan_warns_where_there_is_a_gpu(root, monkeypatch):
    """It would run in FP32; the cure measures one."""
    monkeypatch.setattr("edged.runtime.precision.plan.data_folder", lambda _name: root)
    one = only(found(root))
    assert (one.id, one.level) == ("precision.none", "warn")
    assert one.cure == ("edged calibrate precision gfpgan_1.4",)


def test_a_plan_that_fits_is_well_with_its_figures(root, plan):
    """What was measured is one line."""
    plan(PLAN.format(sha256="a" * 64, digest="b" * 64))
    one = only(found(root))
    assert (one.id, one.level) == ("precision.planned", "ok")
    assert one.what == "gfpgan_1.4: 93 % of the work in FP16, 47.2 dB to FP32"


def test_a_plan_of_another_file_warns(root, plan, state):
    """The model file that is here has another hash."""
    (state / "models").mkdir(parents=True)
    file = state / "models" / "gfpgan_1.4.onnx"
    file.write_bytes(b"other weights")
    record(file, "c" * 64)
    plan(PLAN.format(sha256="a" * 64, digest="b" * 64))
    assert ids(found(root)) == {"precision.other-file": "warn"}


def test_a_plan_that_cannot_be_read_fails(root, plan):
    """The engine would not start with it."""
    plan("recipe = 3\n")
    assert ids(found(root)) == {"precision.unreadable": "fail"}


def test_a_machine_without_a_gpu_has_nothing_to_say(root):
    """A CPU runs FP32."""
    assert found(root, files=()) == []


def test_models_that_are_always_fp32_need_no_plan(root):
    """The built-in pack is made of formulae."""
    assert list(look(FakeHost(root, files=CARD_FILES), setup())) == []
