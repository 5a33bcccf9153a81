"""A GPU of paper: libraries made with gcc that let the real CUDA provider load and start.

Device memory is host memory, copies are copies, kernels do nothing.  So a graph of copies
(Reshape) gives right results, every other one garbage, and everything that our code does
around it (bindings, pinned memory, captured graphs, providers, options) is the real thing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from native_kit import cache_folder, fetch

NATIVE = Path(__file__).parent / "native"
LIBRARIES = ("libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10")
"""What the CUDA provider of onnxruntime-gpu 1.31.1 needs, but for the driver."""
CUDNN = "libcudnn.so.9"


def wanted_symbols(provider: Path, library: str) -> list[str]:
    """Functions that the provider takes from one library."""
    listed = subprocess.run(
        ["nm", "-D", "--undefined-only", str(provider)], capture_output=True, text=True, check=True
    )
    names = (line.split()[-1].partition("@") for line in listed.stdout.splitlines())
    return sorted(name for name, _, version in names if version == library)


def looked_up_symbols(provider: Path) -> list[str]:
    """Functions of cuDNN, which the provider opens itself and asks for by name."""
    found = re.findall(rb"\0(cudnn[A-Z]\w+)(?=\0)", provider.read_bytes())
    return sorted({name.decode() for name in found})


def _stub(name: str) -> str:
    """A function that succeeds; one that creates something gives a handle."""
    if name == "cudnnGetVersion":
        return f"unsigned long {name}(void) {{ return 91000; }}"
    if "Create" in name:
        return f"int {name}(void **made) {{ *made = calloc(1, 64); return 0; }}"
    if "GetStatus" in name:
        return f'const char *{name}(int code) {{ (void)code; return "paper"; }}'
    return _plain(name)


def make_paper_gpu(provider: Path, folder: Path) -> Path:
    """Compiles the libraries into `folder`, which then goes into LD_LIBRARY_PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    written = (NATIVE / "paper_cudart.c").read_text()
    for library in (*LIBRARIES, CUDNN):
        cudnn = library == CUDNN
        names = looked_up_symbols(provider) if cudnn else wanted_symbols(provider, library)
        source = "#include <stdlib.h>\nint paper_library(void) { return 1; }\n"
        if library == "libcudart.so.13":
            names = [name for name in names if f"{name}(" not in written]
            source += written
        source += "\n".join(_stub(name) for name in names)
        _compile(source, folder / library, f"{library} {{ global: *; }};")
    _compile((NATIVE / "paper_libcuda.c").read_text(), folder / "libcuda.so.1", "")
    return folder


def _compile(source: str, library: Path, versions: str) -> None:
    code, script = library.with_suffix(".c"), library.with_suffix(".map")
    code.write_text(source)
    script.write_text(versions)
    subprocess.run(
        [
            "gcc", "-shared", "-fPIC", "-O1", "-w", "-o", str(library), str(code),
            f"-Wl,-soname,{library.name}", *([f"-Wl,--version-script={script}"] * bool(versions)),
        ],
        check=True,
    )  # fmt: skip
    code.unlink()
    script.unlink()


def add_driver(plugin: Path, folder: Path) -> Path:
    """Adds what TensorRT-RTX's plugin takes from the driver itself; in a folder of its own."""
    folder.mkdir(parents=True)
    listed = subprocess.run(
        ["nm", "-D", "--undefined-only", str(plugin)], capture_output=True, text=True, check=True
    )
    names = {line.split()[-1] for line in listed.stdout.splitlines()}
    cuda = (NATIVE / "paper_libcuda.c").read_text()
    more = [n for n in sorted(names) if re.match(r"cu[A-Z]\w+$", n) and f"{n}(" not in cuda]
    _compile(cuda + "\n".join(map(_plain, more)), folder / "libcuda.so.1", "")
    nvml = [name for name in sorted(names) if name.startswith("nvml")]
    _compile("\n".join(map(_plain, nvml)), folder / "libnvidia-ml.so.1", "")
    return folder


def _plain(name: str) -> str:
    return f"int {name}(void) {{ return 0; }}"


def without(folder: Path, *libraries: str) -> Path:
    """A copy of a paper GPU that lacks some libraries."""
    copy = folder.parent / ("-".join(("without", *libraries)))
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    for library in libraries:
        (copy / library).unlink(missing_ok=True)
    return copy


def unpacked(name: str) -> Path:
    """The packages of a pinned wheel, unpacked once, for PYTHONPATH.

    Raises:
        AbsentError: it cannot be had here.
    """
    wheel = fetch(name)
    target = cache_folder() / "trees" / f"{wheel.stem}-alone"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=target.parent))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(scratch)
        with contextlib.suppress(OSError):  # another process was quicker
            scratch.rename(target)
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def doubled(packages: Path, folder: Path) -> Path:
    """Packages in which pip has put the CPU's onnxruntime onto the GPU's."""
    folder.mkdir(parents=True)
    for path in packages.iterdir():
        (folder / path.name).symlink_to(path)
    note = folder / "onnxruntime-1.32.0.dist-info"
    note.mkdir()
    (note / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.32.0\n")
    (note / "RECORD").write_text("onnxruntime/__init__.py,,\n")
    return folder


def environment(
    folder: Path | None, packages: Iterable[Path] = (), **values: str
) -> dict[str, str]:
    """Variables of a process that sees the libraries of `folder` and some more packages."""
    hidden = ("LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_VISIBLE_DEVICES")
    found = {name: value for name, value in os.environ.items() if name not in hidden}
    paths = [*packages, Path(__file__).parent.parent, Path(__file__).parent]
    found["PYTHONPATH"] = os.pathsep.join(str(path) for path in paths)
    found["PYTHONDONTWRITEBYTECODE"] = "1"
    if folder is not None:
        found["LD_LIBRARY_PATH"] = str(folder)
    return {**found, **values}


def ask(script: str, env: Mapping[str, str], *arguments: str) -> Any:
    """Runs Python text in a process of its own; the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=dict(env), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-3000:]}"
    return json.loads(lines[-1])
