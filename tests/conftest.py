"""What all tests share: the header, the rule for absent parts, ports and test models.

Parts that only Debian brings (mosquitto, chromium, systemd-analyze) may be absent on a
developer's machine: a test that needs one says so and skips.  Under `CI=true`, where
`.ci/run` has installed them, such a skip is a failure.
"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import debian_parts
import pytest
from native_kit import AbsentError
from paper_gpu import make_paper_gpu, unpacked

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as edged does; some tests load onnxruntime first

DEBIAN_PARTS = ("mosquitto", "chromium", "prometheus", "systemd-analyze", "gcc", "bwrap")
"""Programs that `.ci/run` installs; a skip whose reason names one fails under CI."""

PACKAGES = "could not import"
"""Likewise for packages of the extras that `make test` installs."""

OFFLINE = "the native wheels could not be fetched"
"""Likewise for what `native_kit` gets from the package index."""

SHOWN_VERSIONS = (
    "numpy", "opencv-python-headless", "onnxruntime", "onnx", "pyzmq", "paho-mqtt", "msgspec",
    "insightface", "imagezmq", "amqtt",
)  # fmt: skip


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def pytest_report_header() -> list[str]:
    """Versions that a bug report needs, and where the optional parts were found."""
    models = "set" if os.environ.get("EDGED_TEST_MODELS") else "unset, tests on real networks skip"
    broker = debian_parts.find_program("mosquitto") or "absent"
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, CI={os.environ.get('CI', '')}"
    return [
        f"edged {_version('edged')}, Python {platform.python_version()}, {machine}",
        ", ".join(f"{package} {_version(package)}" for package in SHOWN_VERSIONS),
        f"mosquitto: {broker}; EDGED_TEST_MODELS: {models}",
    ]


def _must_not_skip(reason: str) -> bool:
    in_ci = os.environ.get("CI") == "true"
    return in_ci and any(part in reason for part in (*DEBIAN_PARTS, PACKAGES, OFFLINE))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Turns a skip for want of a Debian part into a failure under CI."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and _must_not_skip(str(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"must not skip under CI: {report.longrepr}"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report():
    """The same for a module that skips as a whole."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and _must_not_skip(str(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"must not skip under CI: {report.longrepr}"


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """`program("mosquitto")`: its path, or a skip that names it."""
    return debian_parts.program


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives TCP ports of the loopback that were free a moment ago, no two alike."""
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in given:
                given.add(port)
                return port

    return find


@pytest.fixture(scope="session")
def test_models() -> Path:
    """Folder of small real networks; `EDGED_TEST_MODELS` names it, else the test skips."""
    named = os.environ.get("EDGED_TEST_MODELS", "")
    if not named:
        pytest.skip("EDGED_TEST_MODELS is not set: no real networks to run on")
    folder = Path(named)
    assert (folder / "det_500m.onnx").is_file(), "EDGED_TEST_MODELS names no folder of models"
    return folder


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Root of the checkout that the tests belong to."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def gpu_packages(program):
    """A folder with the real onnxruntime-gpu, for PYTHONPATH."""
    program("gcc")
    try:
        return unpacked("onnxruntime-gpu")
    except AbsentError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def paper_gpu(gpu_packages, tmp_path_factory):
    """Libraries of a GPU of paper, for LD_LIBRARY_PATH."""
    provider = gpu_packages / "onnxruntime" / "capi" / "libonnxruntime_providers_cuda.so"
    return make_paper_gpu(provider, tmp_path_factory.mktemp("paper") / "gpu")
