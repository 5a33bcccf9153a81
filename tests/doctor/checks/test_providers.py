"""What sessions really run on."""

from __future__ import annotations

from pathlib import Path

from doctor_kit import FakeHost, ids, setup

from edged.doctor.checks.providers import look
from edged.runtime.libraries import Finding, OrtInstall

ORT = OrtInstall(Path("/opt/e/lib/onnxruntime"), {"onnxruntime-gpu": "1.31.1"}, "13.0")
BOTH = ["CUDAExecutionProvider", "CPUExecutionProvider"]


def found(root, says, why=(), ort=ORT):
    return list(look(FakeHost(root, says=says, ort=ort, why={"cuda": why}), setup()))


def said(listed):
    return {"listed": listed, "got": ["CPUExecutionProvider"], "right": True}


def test_a_session_that_runs_where_it_should_is_well(root):
    """The CPU's provider gave what was asked for."""
    (one,) = found(root, said(["CPUExecutionProvider"]))
    assert (one.id, one.level) == ("providers.true", "ok")
    assert one.data["true"] == ["CPUExecutionProvider"]


def test_cuda_that_is_listed_and_works_is_true(root):
    """A session came up on it."""
    (one,) = found(root, said(BOTH))
    assert one.data["true"] == ["CPUExecutionProvider", "CUDAExecutionProvider"]


def test_cuda_that_is_listed_and_does_not_work_is_told(root):
    """The list is no proof."""
    reason = Finding("no-driver", "no CUDA driver", "install it")
    assert ids(found(root, said(BOTH), [reason])) == {
        "providers.false": "note", "providers.true": "ok",
    }  # fmt: skip


def test_an_onnxruntime_that_cannot_even_use_the_cpu_fails(root):
    """Dead, wrong or elsewhere."""
    for says in (
        {"died": "was killed by signal 11"},
        {**said(BOTH), "right": False},
        {**said(BOTH), "got": ["Other"]},
    ):
        assert ids(found(root, says)) == {"providers.broken": "fail"}


def test_without_onnxruntime_there_is_nothing_to_say(root):
    """That is another check's finding."""
    assert found(root, {}, ort=OrtInstall(None, {}, "")) == []
