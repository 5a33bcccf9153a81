"""What the models would run on."""

from __future__ import annotations

from doctor_kit import CARD_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.runtime import look
from edged.runtime.choice import Refusal

NONE = {
    "tensorrt": Refusal("no-tensorrt", "not installed"),
    "tensorrt-rtx": Refusal("no-rtx-plugin", "not installed"),
    "cuda": Refusal("no-cudnn", "cuDNN is not installed"),
}
ALL = {**NONE, "cpu": Refusal("onnxruntime-absent", "onnxruntime is not installed")}


def found(root, refused, line="", files=CARD_FILES):
    configured = setup(replace={'# [runtime]\n# require = "cuda"': f"[runtime]\n{line}"})
    return list(look(FakeHost(root, files=files, refused=refused), configured))


def test_the_best_that_works_is_well(root):
    """TensorRT goes before the rest."""
    one = only(found(root, {}))
    assert (one.id, one.level, one.data["runtime"]) == ("runtime.chosen", "ok", "tensorrt")


def test_a_gpu_that_lies_idle_is_a_warning(root):
    """The checks of the single runtimes say why."""
    one = only(found(root, NONE))
    assert (one.id, one.level) == ("runtime.idle", "warn")
    assert one.cure == ("edged doctor --only tensorrt --only tensorrt-rtx --only cuda",)
    assert one.data["refused"]["cuda"] == "no-cudnn"


def test_a_machine_without_a_gpu_runs_on_the_cpu(root):
    """That is the best there."""
    assert ids(found(root, NONE, files=())) == {"runtime.chosen": "ok"}


def test_a_required_runtime_that_is_refused_fails(root):
    """The engine does not start, and the reason is its own."""
    one = only(found(root, NONE, 'require = "cuda"'))
    assert (one.id, one.level) == ("runtime.none", "fail")
    assert "cuDNN is not installed" in one.advice


def test_a_preferred_runtime_that_is_refused_warns(root):
    """Another one serves."""
    one = only(found(root, NONE, 'prefer = "cuda"'))
    assert (one.id, one.level) == ("runtime.other", "warn")
    assert one.data["slug"] == "cuda-no-cudnn"
    assert one.cure == ("edged doctor --only cuda",)


def test_where_there_is_no_gpu_the_driver_is_the_one_to_ask(root):
    """The libraries of a runtime are no help there."""
    one = only(found(root, NONE, 'prefer = "cuda"', files=()))
    assert one.cure == ("edged doctor --only driver",)


def test_nothing_at_all_fails(root):
    """Not even onnxruntime is installed."""
    assert ids(found(root, ALL)) == {"runtime.none": "fail"}


def test_options_that_cuda_does_not_know_count(root):
    """An unknown option would drop a session to the CPU."""
    line = 'require = "cuda"\ncuda_options = { fp16_enable = "1" }'
    one = only(found(root, {}, line))
    assert one.id == "runtime.none"
    assert "fp16_enable" in one.advice
