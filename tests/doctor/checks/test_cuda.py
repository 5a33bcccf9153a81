"""onnxruntime's CUDA provider, by the reasons that the runtime itself gives."""

from __future__ import annotations

from doctor_kit import CARD_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.cuda import look
from edged.runtime.libraries import Finding

CUDA = setup(replace={"# [runtime]\n# require": "[runtime]\nrequire"})
CUDNN = Finding(
    "no-cudnn", "NVIDIA's cuDNN is not installed", "run: pip install a && pip install b"
)
DRIVER = Finding("no-driver", "no CUDA driver", "install it")


def found(root, *why, configured=None, files=CARD_FILES):
    host = FakeHost(root, files=files, why={"cuda": why})
    return list(look(host, configured or setup()))


def test_a_session_that_came_up_is_well(root):
    """No reason is the proof."""
    assert ids(found(root)) == {"cuda.works": "ok"}


def test_a_missing_library_has_its_package_as_cure(root):
    """Pip is this environment's, and each command has its line."""
    one = only(found(root, CUDNN))
    assert (one.id, one.level) == ("cuda.no-cudnn", "note")
    assert one.cure == (
        "/opt/e/bin/python -m pip install a", "/opt/e/bin/python -m pip install b",
    )  # fmt: skip


def test_it_fails_where_cuda_is_required(root):
    """The engine would not start."""
    assert ids(found(root, CUDNN, configured=CUDA)) == {"cuda.no-cudnn": "fail"}


def test_what_another_check_shows_is_not_shown_twice(root):
    """Without a driver nothing else can be said."""
    one = only(found(root, DRIVER))
    assert (one.id, one.level) == ("cuda.waits", "note")
    assert "driver" in one.what
    assert ids(found(root, DRIVER, CUDNN)) == {"cuda.no-cudnn": "note"}


def test_a_machine_without_a_gpu_has_nothing_to_say(root):
    """Nothing is to be installed for one; the check driver says that it is missing."""
    assert found(root, CUDNN, files=()) == []
    assert ids(found(root, CUDNN, configured=CUDA, files=())) == {"cuda.waits": "note"}


def test_an_option_that_cuda_does_not_know_is_told(root):
    """It would drop the whole session to the CPU."""
    configured = setup("[runtime]\ncuda_options = { fp16_enable = '1' }\n")
    one = only(found(root, configured=configured))
    assert one.id == "cuda.unknown-option"
    assert "fp16_enable" in one.what
