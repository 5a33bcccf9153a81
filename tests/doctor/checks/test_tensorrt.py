"""TensorRT: bindings and libraries."""

from __future__ import annotations

import pytest
from doctor_kit import CARD_FILES, NO_DRIVER, ORIN, ORIN_FILES, RTX, FakeHost, ids, only, setup

from edged.doctor.checks.tensorrt import look
from edged.runtime.driver import Driver
from edged.runtime.libraries import OrtInstall

WISH = setup(replace={'# [runtime]\n# require = "cuda"': '[runtime]\nrequire = "tensorrt"'})
ABSENT = {"absent": "tensorrt", "text": "No module named 'tensorrt'"}
BARE = {"absent": "", "text": "libnvinfer.so.10: cannot open shared object file"}
APT = {"/usr/lib/python3.10/dist-packages/tensorrt/__init__.py": ""}


def found(root, says, configured=None, *, files=CARD_FILES, cuda="13.0", **more):
    gpu = ORIN if files is not CARD_FILES else RTX
    nvidia = Driver(cuda, (gpu,)) if files else NO_DRIVER
    host = FakeHost(root, files=files, says=says, nvidia=nvidia, **more)
    return list(look(host, configured or setup()))


@pytest.mark.parametrize("version", ["10.3.0", "10.16.1.11", "11.4.0.106"])
def test_versions_that_engines_are_made_for_are_well(root, version):
    """From JetPack 6.1's to the newest."""
    assert ids(found(root, {"version": version})) == {"tensorrt.here": "ok"}


def test_absent_it_is_a_note_and_required_it_fails(root):
    """The extra fetches it."""
    assert ids(found(root, ABSENT)) == {"tensorrt.absent": "note"}
    one = only(found(root, ABSENT, WISH))
    assert (one.id, one.level) == ("tensorrt.absent", "fail")
    assert one.cure == ("/opt/e/bin/python -m pip install 'edged[tensorrt]'",)


def test_beside_the_gpus_onnxruntime_it_comes_alone(root):
    """The extra would bring the CPU's, over it."""
    ort = OrtInstall(root, {"onnxruntime-gpu": "1.31.1"}, "13.0")
    one = only(found(root, ABSENT, WISH, ort=ort))
    assert one.cure == ("/opt/e/bin/python -m pip install tensorrt",)


def test_bindings_without_libraries_are_told_apart(root):
    """A stub or a half install."""
    one = only(found(root, BARE))
    assert one.id == "tensorrt.no-libraries"
    assert "libnvinfer.so.10" in one.what


def test_a_jetson_gets_it_from_apt(root):
    """JetPack's packages, not pip."""
    one = only(found(root, ABSENT, WISH, files=ORIN_FILES))
    assert one.cure[-1] == "sudo apt install nvidia-jetpack"


def test_an_environment_that_hides_jetpacks_is_made_again(root):
    """Apt's bindings are there, and a plain venv does not see them."""
    one = only(found(root, ABSENT, WISH, files={**ORIN_FILES, **APT}))
    assert one.id == "tensorrt.hidden"
    assert "--system-site-packages /opt/e" in one.cure[0]


def test_a_version_before_strong_typing_is_told(root):
    """8.6 builds for trials only."""
    assert list(ids(found(root, {"version": "8.6.0"}))) == ["tensorrt.old"]


def test_version_11_is_not_for_jetpack_6(root):
    """NVIDIA says so."""
    assert list(ids(found(root, {"version": "11.4.0"}, files=ORIN_FILES))) == ["tensorrt.jetpack"]


def test_a_build_for_a_newer_cuda_than_the_driver_is_told(root):
    """CUDA 13's wheel on a driver of CUDA 12."""
    packages = {"tensorrt-cu13": "10.16.1.11"}
    one = only(found(root, {"version": "10.16.1.11"}, cuda="12.8", packages=packages))
    assert one.id == "tensorrt.driver"
    assert one.cure[0].endswith("tensorrt-cu12")


def test_an_import_that_kills_its_process_is_told(root):
    """The doctor lives on."""
    assert list(ids(found(root, {"died": "was killed by signal 11"}))) == ["tensorrt.died"]


def test_any_other_refusal_is_shown_as_it_is(root):
    """The loader's own words."""
    one = only(found(root, {"absent": "numpy", "text": "No module named 'numpy'"}))
    assert one.id == "tensorrt.broken"
    assert "numpy" in one.what


def test_a_machine_without_a_gpu_has_nothing_to_say(root):
    """Unless somebody asks for it."""
    assert found(root, ABSENT, files=()) == []
    assert ids(found(root, ABSENT, WISH, files=())) == {"tensorrt.absent": "fail"}
