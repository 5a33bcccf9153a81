"""NVIDIA's driver, and the usual reasons why it is not there."""

from __future__ import annotations

import pytest
from doctor_kit import CARD_FILES, NO_DRIVER, ORIN, ORIN_FILES, RTX, FakeHost, ids, only, setup

from edged.doctor.checks.driver import look
from edged.runtime.driver import Driver
from edged.runtime.libraries import OrtInstall

GPU = setup("", replace={"# [runtime]\n# require": "[runtime]\nrequire"})
MODULE = {"/lib/modules/6.1.0/updates/dkms/nvidia.ko.zst": ""}
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def test_a_working_driver_is_described(root):
    """Version, name, architecture and memory are in one line."""
    works = Driver("13.0", (RTX,), module="580.65.06", library="libcuda.so.1")
    found = only(look(FakeHost(root, files=CARD_FILES, nvidia=works), setup()))
    assert (found.id, found.level) == ("driver.works", "ok")
    for word in ("580.65.06", "13.0", "RTX 4070", "sm_89"):
        assert word in found.what
    assert found.data["gpus"][0]["sm"] == "89"


@pytest.mark.parametrize(("serves", "found"), [("12.8", ["driver.works", "driver.old"]),
                                               ("13.0", ["driver.works"])])  # fmt: skip
def test_a_driver_that_is_older_than_the_libraries_is_told(root, serves, found):
    """onnxruntime-gpu of CUDA 13 does not run on a driver of CUDA 12."""
    ort = OrtInstall(root, {"onnxruntime-gpu": "1.31.1"}, "13.0")
    works = Driver(serves, (RTX,))
    host = FakeHost(root, files=CARD_FILES, nvidia=works, ort=ort)
    assert [one.id for one in look(host, setup())] == found


def test_a_machine_without_a_gpu_gets_a_note(root):
    """The CPU serves, as far as nobody asked for more."""
    assert ids(look(FakeHost(root), setup())) == {"driver.no-gpu": "note"}


def test_a_required_gpu_that_is_not_there_fails(root):
    """The engine will not start."""
    assert ids(look(FakeHost(root), GPU)) == {"driver.no-gpu": "fail"}


@pytest.mark.parametrize(
    ("files", "found", "command"),
    [
        ({}, "driver.absent", "sudo apt install nvidia-driver"),
        ({"/etc/os-release": "ID=ubuntu\n"}, "driver.absent", "sudo ubuntu-drivers install"),
        ({"/sys/module/nouveau/x": ""}, "driver.nouveau", "sudo apt install nvidia-driver"),
        (
            {"/usr/src/nvidia-580.65.06/dkms.conf": ""},
            "driver.not-built",
            "sudo apt install linux-headers-6.1.0",
        ),
        (MODULE, "driver.not-loaded", "sudo modprobe nvidia"),
        (
            {**MODULE, SECURE_BOOT: "\x06\x00\x00\x00\x01"},
            "driver.secure-boot",
            "sudo mokutil --import /var/lib/dkms/mok.pub",
        ),
        (
            {**MODULE, SECURE_BOOT: "\x06\x00\x00\x00\x00"},
            "driver.not-loaded",
            "sudo modprobe nvidia",
        ),
    ],
)
def test_a_card_without_a_driver_gets_the_nearest_reason(root, files, found, command):
    """The kernel's files say more than "no device", and each has its command."""
    one = only(look(FakeHost(root, files={**CARD_FILES, **files}), setup()))
    assert (one.id, one.level) == (found, "warn")
    assert one.cure[0] == command


def test_a_loaded_module_leaves_the_word_to_the_driver(root):
    """Its own problem and cure are shown, without the advice to run the doctor."""
    mismatch = Driver("", (), "does not fit", "reboot, then run: edged doctor", module="580.65.06")
    files = {**CARD_FILES, "/sys/module/nvidia/version": "580.65.06"}
    one = only(look(FakeHost(root, files=files, nvidia=mismatch), setup()))
    assert (one.id, one.what, one.advice) == ("driver.broken", "does not fit", "Reboot")


def test_a_jetson_asks_for_no_pcs_driver(root):
    """JetPack brings it; the probe's own cure stands."""
    one = only(look(FakeHost(root, files=ORIN_FILES, nvidia=NO_DRIVER), setup()))
    assert one.id == "driver.broken"
    works = Driver("12.6", (ORIN,))
    one = only(look(FakeHost(root, nvidia=works), setup()))
    assert one.what == "CUDA up to 12.6: Orin (sm_87, 7620 MB)"
