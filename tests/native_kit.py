"""NVIDIA's Python bindings on a machine without NVIDIA's libraries, and stubs made with gcc.

PyPI has the bindings of TensorRT 10 and 11 (1 MB) and, inside another wheel, the libraries of
TensorRT-RTX, whose builder and parser need no GPU.  A *tree* is a folder with one version's
bindings, importable as `tensorrt`, over libraries made here: stubs that answer as on a machine
without a driver, or shims that pass the calls on to TensorRT-RTX.  NVIDIA supports no such
mix: what it builds proves that the graph parses and type-checks and that our calls exist, and
nothing about a TensorRT 10 or 11 engine.

The wheels are fetched by pip, pinned by hash in tests/native/*.txt, into `EDGED_TEST_NATIVE`
or the user's cache folder.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SOURCES = Path(__file__).parent / "native"

OFFLINE = "the native wheels could not be fetched"
"""Begins the reason of a skip that is a failure under CI."""

VERSIONS = {"11.4": 11, "10.16": 10, "10.3": 10}
"""Bindings that tests know (tests/native/bindings-*.txt), with the number in their sonames."""

RTX_FOLDER = "onnxruntime_ep_nv_tensorrt_rtx"
"""Where TensorRT-RTX lies in its wheel."""


class AbsentError(Exception):
    """Something that a tree needs is not to be had here; the text is a reason to skip."""


def cache_folder() -> Path:
    """Where wheels and trees are kept from one test run to the next."""
    named = os.environ.get("EDGED_TEST_NATIVE", "")
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "edged-tests" / "native"


def compile_library(gcc: str, source: str, target: Path, *defines: str) -> Path:
    """Makes `target` of tests/native/`source`; its soname is its file name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [
        gcc, "-shared", "-fPIC", "-O1", "-Wall", *(f"-D{define}" for define in defines),
        str(SOURCES / source), f"-Wl,-soname,{target.name}", "-o", str(target), "-ldl",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    return target


def fetch(name: str) -> Path:
    """The wheel that tests/native/`name`.txt pins, for the Python that runs.

    Raises:
        AbsentError: offline, or there is no build for this Python and machine.
    """
    python = "py3" if name == "rtx" else f"cp{sys.version_info[0]}{sys.version_info[1]}"
    mark = hashlib.sha256((SOURCES / f"{name}.txt").read_bytes()).hexdigest()[:8]
    folder = cache_folder() / "wheels" / f"{name}-{python}-{mark}"
    found = sorted(folder.glob("*.whl"))
    if found:
        return found[0]
    if platform.machine() != "x86_64":
        raise AbsentError("the pinned wheels are for x86-64")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        command = [
            sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes",
            "--only-binary=:all:", "-r", str(SOURCES / f"{name}.txt"), "-d", scratch,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            found = [line for line in said if "from versions:" in line]
            if found and "from versions: none" not in found[0]:
                raise AbsentError(f"{name} has no build for this Python and machine")
            raise AbsentError(f"{OFFLINE}: {said[-1] if said else 'pip says nothing'}")
        if not folder.exists():
            Path(scratch).rename(folder)
            Path(scratch).mkdir()  # for the context manager to remove
    return min(folder.glob("*.whl"))


def tree(version: str, gcc: str, *, rtx: bool = False) -> Path:
    """A folder for PYTHONPATH whose `lib` is for LD_LIBRARY_PATH.

    Args:
        version: of :data:`VERSIONS`.
        gcc: the compiler.
        rtx: over TensorRT-RTX instead of stubs.

    Raises:
        AbsentError: see :func:`fetch`.
    """
    kind = "rtx" if rtx else "stub"
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    made_of = [Path(__file__), SOURCES / "nvinfer.c", SOURCES / f"bindings-{version}.txt"]
    made_of += [SOURCES / "rtx.txt"] if rtx else []
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()[:8]
    target = cache_folder() / "trees" / f"{version}-{kind}-{python}-{mark}"
    if target.is_dir():
        return target
    wheels = [fetch(f"bindings-{version}"), *([fetch("rtx")] if rtx else [])]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        root = Path(scratch) / "tree"
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(root)
        package = root / "tensorrt"
        package.mkdir()
        (package / "__init__.py").write_text(
            "from tensorrt_bindings import *\nfrom tensorrt_bindings import __version__\n"
        )
        lib = root / "lib"
        parts = {"libnvinfer": "", "libnvonnxparser": "", "libnvinfer_plugin": ""}
        if rtx:
            libraries = sorted((root / RTX_FOLDER).glob("libtensorrt_*rtx.so.*"))
            lib.mkdir()
            for library in libraries:
                shutil.move(library, lib / (library.name.split(".so.")[0] + ".so.1"))
            shutil.rmtree(root / RTX_FOLDER)  # the provider itself: 75 MB that nobody here loads
            final = target / "lib"
            parts["libnvinfer"] = f'LIB="{final}/libtensorrt_rtx.so.1"'
            parts["libnvonnxparser"] = f'LIB="{final}/libtensorrt_onnxparser_rtx.so.1"'
        for number, (name, define) in enumerate(parts.items(), start=1):
            file = lib / f"{name}.so.{VERSIONS[version]}"
            compile_library(gcc, "nvinfer.c", file, f"PART={number}", *([define] if define else []))
        if not target.exists():
            root.rename(target)
    return target


def environment(root: Path, *packages: Path) -> dict[str, str]:
    """Variables under which Python imports `tensorrt` from the tree, and edged from here."""
    checkout = Path(__file__).parent.parent
    values = dict(os.environ)
    values["PYTHONPATH"] = os.pathsep.join(str(path) for path in (root, *packages, checkout))
    values["LD_LIBRARY_PATH"] = str(root / "lib")
    values["PYTHONDONTWRITEBYTECODE"] = "1"
    return values
