"""The driver probe: each way a CUDA driver can be absent, wrong, stuck or deadly.

The driver is a small library made with gcc that does what its environment says.
"""

import os
import tempfile
import time
from pathlib import Path

import pytest
from native_kit import compile_library

from edged.runtime.driver import Gpu, probe
from edged.runtime.driver_faults import CODES, Machine, explain_call, look, no_device


@pytest.fixture(scope="session")
def stub_folder(tmp_path_factory, program):
    """A folder whose libcuda.so.1 is the stub."""
    folder = tmp_path_factory.mktemp("cuda")
    compile_library(program("gcc"), "libcuda_probe.c", folder / "libcuda.so.1")
    return folder


@pytest.fixture
def ask(stub_folder, tmp_path):
    """`ask(STUB_INIT=100)`: what the probe says of a driver that behaves so."""

    def run(timeout_s=20.0, **behaviour):
        environment = {name: str(value) for name, value in behaviour.items()}
        environment.setdefault("LD_LIBRARY_PATH", str(stub_folder))
        return probe(timeout_s=timeout_s, environment=environment, root=tmp_path)

    return run


def test_a_working_driver_is_described_gpu_by_gpu(ask):
    """Version, name, compute capability, memory and kind come from the driver."""
    driver = ask(STUB_COUNT=2)
    assert driver.usable
    assert (driver.version, driver.problem, driver.cure) == ("12.6", "", "")
    assert driver.library == "libcuda.so.1"
    assert driver.gpus == (
        Gpu(0, "Stub 0", "87", 7620, integrated=True),
        Gpu(1, "Stub 1", "87", 7620, integrated=True),
    )


def test_a_machine_without_the_library_is_told_to_install_a_driver(ask, tmp_path):
    """No libcuda.so.1 anywhere is a problem of its own."""
    driver = ask(LD_LIBRARY_PATH=tmp_path / "nothing")
    if driver.usable:
        pytest.skip("this machine has a real CUDA driver")
    assert not driver.usable
    assert "no CUDA driver" in driver.problem
    assert "nvidia-driver" in driver.cure


def test_a_library_that_does_not_load_is_no_absent_one(ask, tmp_path):
    """A damaged file is named as such, with the loader's own words."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "libcuda.so.1").write_bytes(b"\x7fELF")
    problem = ask(LD_LIBRARY_PATH=broken).problem
    assert "does not load" in problem
    assert "libcuda.so.1" in problem


def test_a_library_without_the_drivers_functions_is_no_driver(tmp_path, ask, program):
    """Something else under the driver's name is found out by its first missing function."""
    source = tmp_path / "empty.c"
    source.write_text("int nothing;\n")
    folder = tmp_path / "other"
    compile_library(program("gcc"), str(source), folder / "libcuda.so.1")
    assert "has no cuDriverGetVersion" in ask(LD_LIBRARY_PATH=folder).problem


def test_error_100_is_a_driver_without_a_gpu(ask):
    """The version of the driver is known, its GPUs are none."""
    driver = ask(STUB_INIT=100)
    assert (driver.version, driver.gpus) == ("12.6", ())
    assert "sees no GPU" in driver.problem


def test_a_count_of_zero_is_a_driver_without_a_gpu(ask):
    """A driver may start, and count no device."""
    assert "sees no GPU" in ask(STUB_COUNT=0).problem


def test_hidden_gpus_are_blamed_on_the_variable(ask):
    """CUDA_VISIBLE_DEVICES is the usual reason for error 100 on a machine with a GPU."""
    driver = ask(STUB_INIT=100, CUDA_VISIBLE_DEVICES="-1")
    assert "CUDA_VISIBLE_DEVICES is '-1'" in driver.problem
    assert "unset" in driver.cure


@pytest.mark.parametrize(
    ("code", "problem", "cure"),
    [
        (35, "older than", "newer"),
        (803, "does not fit the kernel module", "reboot"),
        (804, "compatibility package", "cuda-compat"),
        (999, "unknown error", "modprobe nvidia-uvm"),
        (34, "stub", "LD_LIBRARY_PATH"),
        (701, "fails", "nvidia-smi"),
    ],
)
def test_each_code_has_its_own_sentence_and_cure(ask, code, problem, cure):
    """A code of the driver becomes what is wrong and what to do, with the code in it."""
    driver = ask(STUB_INIT=code)
    assert problem in driver.problem
    assert f"error {code}" in driver.problem
    assert cure in driver.cure
    assert not driver.usable


def test_a_hanging_driver_is_left_behind(ask):
    """A call that never returns costs the timeout and names the call."""
    start = time.monotonic()
    driver = ask(timeout_s=1.5, STUB_DO="hang")
    assert "hangs, in cuInit: no answer in 1.5 s" in driver.problem
    assert driver.version == "12.6"
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(("way", "name"), [("crash", "SIGSEGV"), ("abort", "SIGABRT")])
def test_a_crashing_driver_takes_only_its_own_process_along(ask, way, name):
    """The signal and the call it happened in are told."""
    driver = ask(STUB_DO=way)
    assert f"in cuInit: its process was ended by {name}" in driver.problem
    assert "reboot" in driver.cure


def test_what_a_driver_prints_is_no_answer(ask):
    """Lines of the driver's own on standard output are passed over."""
    assert ask(STUB_DO="chatter").usable


def test_locked_device_files_are_the_reason_before_any_code():
    """Whatever the driver says, files that may not be opened come first."""
    machine = Machine(jetson=True, locked=("/dev/nvmap",))
    for problem, cure in (explain_call("cuInit", 999, machine), no_device(machine)):
        assert "no permission" in problem
        assert "/dev/nvmap" in problem
        assert "video and render" in cure


@pytest.mark.parametrize(
    ("board", "locked"),
    [("", {"nvidiactl"}), ("nvidia,p3767\0nvidia,tegra234", {"nvidiactl", "renderD128"})],
)
def test_device_files_that_may_not_be_opened_are_seen(board, locked):
    """The probe looks at who may open the GPU's files; a PC's render node may be Intel's."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        for node in ("dev/nvidiactl", "dev/dri/renderD128", "proc/device-tree/compatible"):
            (root / node).parent.mkdir(parents=True, exist_ok=True)
            (root / node).touch(mode=0o000)
        (root / "proc/device-tree/compatible").chmod(0o644)
        (root / "proc/device-tree/compatible").write_text(board)
        child = os.fork()
        if child == 0:  # as somebody who is not root, whoever runs the tests
            if os.geteuid() == 0:
                os.setuid(65534)
            seen = {Path(node).name for node in look(root, {}).locked}
            os._exit(0 if seen == locked else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_a_jetson_is_known_by_its_files(tmp_path):
    """A Jetson's cure is JetPack, never a driver of the distribution."""
    release = tmp_path / "etc/nv_tegra_release"
    release.parent.mkdir()
    release.write_text("# R36 (release), REVISION: 4.0\n")
    machine = look(tmp_path, {})
    assert machine.jetson
    assert "JetPack" in no_device(machine)[1]


def test_the_kernel_modules_version_is_read_from_its_file(ask, tmp_path):
    """The manifest of an engine names the kernel module beside the CUDA version."""
    file = tmp_path / "proc/driver/nvidia/version"
    file.parent.mkdir(parents=True)
    file.write_text("NVRM version: NVIDIA UNIX Open Kernel Module  580.65.06  Release Build\n")
    assert ask().module == "580.65.06"


def test_every_known_code_says_what_to_do():
    """No sentence of the table is empty."""
    assert all(problem and cure for problem, cure in CODES.values())
