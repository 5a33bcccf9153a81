"""Which onnxruntime is installed, what the loader says, and findings put into words."""

from __future__ import annotations

import pytest

from edged.runtime.driver import Driver, Gpu
from edged.runtime.libraries import (
    Finding,
    OrtInstall,
    cuda_findings,
    double_onnxruntime,
    gpu_findings,
    ort_install,
    rtx_findings,
    without_folders,
)
from edged.runtime.libraries.loading import load_errors

CARD = Driver("13.0", (Gpu(0, "card", "89", 8192, integrated=False),))
NONE = Driver("", (), "no CUDA driver", "install one")


def test_the_onnxruntime_of_these_tests_is_the_one_for_the_cpu():
    """Found without importing it."""
    found = ort_install()
    assert list(found.distributions) == ["onnxruntime"]
    assert (found.cuda_provider, found.cuda_version, found.cuda_major) == (None, "", 0)
    assert double_onnxruntime(found) is None


def test_cuda_on_the_cpu_s_onnxruntime_says_what_to_install():
    """On a machine with a card; nothing else is looked for then."""
    (wrong,) = cuda_findings(CARD)
    assert wrong.slug == "onnxruntime-cpu-only"
    assert "pip uninstall -y onnxruntime && pip install 'edged[gpu]'" in wrong.cure


def test_two_distributions_in_one_folder_are_named_with_the_cure(tmp_path):
    """The GPU's one is put back."""
    both = {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.31.1"}
    wrong = double_onnxruntime(OrtInstall(tmp_path, both, "13.0"))
    assert wrong.slug == "double-onnxruntime"
    assert "onnxruntime 1.32.0 and onnxruntime-gpu 1.31.1" in wrong.problem
    assert wrong.cure.endswith("&& pip install onnxruntime-gpu")


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("onnxruntime", "run: pip install 'edged[rtx]'"),
        ("onnxruntime-gpu", "run: pip install onnxruntime-ep-nv-tensorrt-rtx-cu13"),
    ],
)
def test_the_rtx_plugin_brings_no_second_onnxruntime(tmp_path, monkeypatch, name, cure):
    """The extra names the CPU's, so beside the GPU's the plugin comes alone."""
    monkeypatch.setattr("edged.runtime.libraries.rtx.plugin_folder", lambda: None)
    found = rtx_findings(CARD, found=OrtInstall(tmp_path, {name: "1.31.1"}, ""))
    assert [(one.slug, one.cure) for one in found] == [("no-rtx-plugin", cure)]


def test_no_onnxruntime_at_all_is_one_finding():
    """Beside the driver's."""
    found = cuda_findings(NONE, found=OrtInstall(None, {}, ""))
    assert [one.slug for one in found] == ["no-driver", "onnxruntime-absent"]


def test_a_gpu_that_is_not_there_is_told_from_no_driver():
    """Each has its cure."""
    assert [one.slug for one in gpu_findings(NONE)] == ["no-driver"]
    (wrong,) = gpu_findings(CARD, 3)
    assert (wrong.slug, wrong.cure) == ("no-such-gpu", "set runtime.gpu = 0")
    assert gpu_findings(CARD, 0) == ()


def test_a_hidden_gpu_leads_to_the_configuration_s_key():
    """Its number hides the others from CUDA, and one that is not there hides all."""
    hidden = Driver("13.0", (), "sees no GPU: CUDA_VISIBLE_DEVICES is '3'", "name a GPU")
    (wrong,) = gpu_findings(hidden)
    assert "runtime.gpu" in wrong.cure


def test_the_loader_is_asked_in_a_process_of_its_own():
    """A library that is there, and one that is not."""
    said = load_errors([("libc.so.6", ["libc.so.6"]), ("libnone.so.9", ["libnone.so.9"])])
    assert said["libc.so.6"] == ""
    assert "cannot open shared object file" in said["libnone.so.9"]


def test_a_finding_reads_as_a_sentence():
    """The problem, then what to do."""
    assert str(Finding("x", "it is broken", "mend it")) == "it is broken; mend it"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/var/lib/edged/engines/m/ab/manifest.json is damaged", "manifest.json is damaged"),
        ("run: edged engines build m", "run: edged engines build m"),
        ("2/4 of it, and/or more", "2/4 of it, and/or more"),
    ],
)
def test_folders_of_the_box_stay_on_the_box(text, shown):
    """Documents name files without where they lie."""
    assert without_folders(text) == shown
