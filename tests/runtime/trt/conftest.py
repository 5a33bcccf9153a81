"""NVIDIA's bindings over stubs, and a whole GPU in host memory."""

import ctypes
import importlib.util
import sys
from pathlib import Path

import native_kit
import pytest
from native_kit import compile_library

from edged.runtime import driver
from edged.runtime.driver import Driver, Gpu
from edged.runtime.trt import cuda

FAKES = Path(native_kit.__file__).parent / "fakes" / "trt"


@pytest.fixture(scope="session")
def native_tree(program):
    """`native_tree("11.4", rtx=True)`: a folder of NVIDIA's bindings, or a skip."""
    gcc = program("gcc")

    def make(version, *, rtx=False):
        try:
            return native_kit.tree(version, gcc, rtx=rtx)
        except native_kit.AbsentError as error:
            pytest.skip(str(error))

    return make


@pytest.fixture(scope="session")
def host_driver(tmp_path_factory, program):
    """The driver in host memory, under a name that nothing else looks for."""
    folder = tmp_path_factory.mktemp("host")
    return compile_library(program("gcc"), "libcuda_host.c", folder / "libcuda_host.so")


@pytest.fixture
def stub(host_driver, monkeypatch):
    """The driver in host memory put where the package looks; its counters must come back."""
    library = ctypes.CDLL(str(host_driver))
    monkeypatch.setenv("STUB_CUDA", str(host_driver))
    monkeypatch.setitem(cuda._devices, 0, cuda.Cuda(0, (str(host_driver),)))
    library.stub_fail(-1)
    before = library.stub_live()
    yield library
    library.stub_fail(-1)
    assert library.stub_live() == before, "something on the GPU was not given back"


@pytest.fixture
def fake_trt(monkeypatch):
    """The fake TensorRT as `tensorrt`, and a driver that says it has a GPU."""
    spec = importlib.util.spec_from_file_location("tensorrt", FAKES / "tensorrt.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    spec.loader.exec_module(module)
    gpu = Gpu(0, "Stub 0", "87", 7620, integrated=True)
    monkeypatch.setattr(driver, "_good", [Driver("12.6", (gpu,))])
    return module


@pytest.fixture
def plan(tmp_path):
    """`plan(do="crash")`: a plan file of the fake."""

    def write(do=""):
        file = tmp_path / "engine.plan"
        file.write_text(f'{{"do": "{do}"}}')
        return file

    return write


@pytest.fixture(scope="session")
def driver_folder(tmp_path_factory, program):
    """A folder for LD_LIBRARY_PATH whose libcuda.so.1 is the driver in host memory."""
    folder = tmp_path_factory.mktemp("libcuda")
    compile_library(program("gcc"), "libcuda_host.c", folder / "libcuda.so.1")
    return folder


@pytest.fixture
def child_gpu(driver_folder, monkeypatch):
    """Processes started from here find the fake TensorRT and the driver in host memory."""
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(driver_folder))
    monkeypatch.setenv("STUB_CUDA", str(driver_folder / "libcuda.so.1"))
