"""onnxruntime: one, of the right build."""

from __future__ import annotations

from pathlib import Path

from doctor_kit import CARD_FILES, ORIN_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.onnxruntime import look
from edged.runtime.libraries import OrtInstall

FOLDER = Path("/opt/e/lib/onnxruntime")
CUDA = setup(replace={"# [runtime]\n# require": "[runtime]\nrequire"})


def found(root, packages, configured=None, files=()):
    installed = OrtInstall(FOLDER if packages else None, packages, "13.0" if len(packages) else "")
    return list(look(FakeHost(root, files=files, ort=installed), configured or setup()))


def test_one_build_is_well(root):
    """Its version, and the CUDA that it was made for."""
    one = only(found(root, {"onnxruntime-gpu": "1.31.1"}, files=CARD_FILES))
    assert (one.id, one.level) == ("onnxruntime.one", "ok")
    assert "1.31.1" in one.what
    assert "13.0" in one.what


def test_none_fails_with_the_extra_to_install(root):
    """A bare `pip install edged` runs no model."""
    one = only(found(root, {}))
    assert (one.id, one.level) == ("onnxruntime.absent", "fail")
    assert one.cure == ("/opt/e/bin/python -m pip install 'edged[cpu]'",)


def test_two_builds_over_each_other_warn_and_fail_where_cuda_is_required(root):
    """The one installed last hides the other."""
    both = {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.31.1"}
    one = only(found(root, both, files=CARD_FILES))
    assert (one.id, one.level) == ("onnxruntime.twice", "warn")
    assert one.cure == (
        "/opt/e/bin/python -m pip uninstall -y onnxruntime onnxruntime-gpu",
        "/opt/e/bin/python -m pip install 'edged[gpu]'",
    )
    assert ids(found(root, both, CUDA)) == {"onnxruntime.twice": "fail"}


def test_a_jetson_gets_the_build_without_gpu(root):
    """PyPI's GPU build holds no code for its GPU, which TensorRT serves."""
    one = only(found(root, {"onnxruntime-gpu": "1.31.1"}, files=ORIN_FILES))
    assert one.id == "onnxruntime.no-code"
    assert one.cure[-1].endswith("install 'edged[cpu]'")
