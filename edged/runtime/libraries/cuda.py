"""Why onnxruntime's CUDA provider cannot work here, found before a session is made.

A session that is asked for CUDA and cannot have it may come up on the CPU with nothing
but a line on stderr, so the reasons are looked for first, one by one, and named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from edged.runtime.driver import Driver
from edged.runtime.libraries.elf import gpu_code, needed
from edged.runtime.libraries.finding import Finding, without_folders
from edged.runtime.libraries.gpu import gpu_findings
from edged.runtime.libraries.loading import load_errors, wheel_paths
from edged.runtime.libraries.trial import try_cuda
from edged.runtime.libraries.wheels import OrtInstall, double_onnxruntime, ort_install

_FROM_NVIDIA = re.compile(r"\Alib(cu[a-zA-Z]+|nv[a-zA-Z]+)\.so\.\d+\Z")
_DRIVER = "libcuda.so.1"
_OPENED_LATER = ("libcudnn.so.9",)
"""Opened by the provider itself; a convolution without cuDNN fails when it is run."""
_ABSENT = "cannot open shared object file"
_CONSOLIDATED = 13
"""From this version of CUDA on the wheels have no suffix (cuDNN's keeps it)."""

_WHEELS = {
    "cublas": ("nvidia-cublas", "nvidia-cublas-cu12"),
    "cudart": ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12"),
    "cudnn": ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12"),
    "cufft": ("nvidia-cufft", "nvidia-cufft-cu12"),
    "curand": ("nvidia-curand", "nvidia-curand-cu12"),
    "nvrtc": ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12"),
}
"""Which package on PyPI brings a library, for builds against CUDA 13 and CUDA 12."""
_TITLES = {
    "cublas": "cuBLAS", "cudart": "CUDA runtime", "cudnn": "cuDNN", "cufft": "cuFFT",
    "curand": "cuRAND", "nvrtc": "NVRTC",
}  # fmt: skip


def cuda_findings(
    driver: Driver, *, device: int = 0, found: OrtInstall | None = None
) -> tuple[Finding, ...]:
    """Every reason, the first one to be mended first; none when a session can be tried.

    Args:
        driver: as probed.
        device: index of the GPU.
        found: the installed onnxruntime; asked for when left out.
    """
    found = found or ort_install()
    install = _install_findings(found)
    wrong = [*gpu_findings(driver, device), *install]
    if any(one.slug in {"onnxruntime-absent", "onnxruntime-cpu-only"} for one in install):
        return tuple(wrong)
    wrong += _library_findings(found, driver)
    wrong += _code_findings(found, driver, device)
    reason = "" if wrong else try_cuda(device)
    return (*wrong, _unloadable(found, reason)) if reason else tuple(wrong)


def _install_findings(found: OrtInstall) -> list[Finding]:
    """What is wrong with the installed onnxruntime itself."""
    if found.folder is None:
        problem = "onnxruntime is not installed"
        return [Finding("onnxruntime-absent", problem, "run: pip install 'edged[gpu]'")]
    double = double_onnxruntime(found)
    if double is not None:
        return [double] if found.cuda_provider else [double, _cpu_only(found)]
    return [] if found.cuda_provider and found.shared else [_cpu_only(found)]


def _cpu_only(found: OrtInstall) -> Finding:
    names = " and ".join(f"{name} {version}" for name, version in found.distributions.items())
    cure = (
        f"run: pip uninstall -y {' '.join(found.distributions) or 'onnxruntime'} "
        "&& pip install 'edged[gpu]'"
    )
    return Finding(
        "onnxruntime-cpu-only", f"{names or 'the onnxruntime here'} has no CUDA provider", cure
    )


def _library_findings(found: OrtInstall, driver: Driver) -> list[Finding]:
    """NVIDIA's libraries that cannot be loaded, one finding a package."""
    if found.cuda_provider is None or found.folder is None:
        return []
    try:
        wanted = [name for name in needed(found.cuda_provider) if _FROM_NVIDIA.match(name)]
    except ValueError as error:
        return [_unloadable(found, str(error))]
    wanted = [name for name in wanted if name != _DRIVER]
    wanted += [name for name in _OPENED_LATER if name not in wanted]
    wanted.sort(key=lambda name: "cublasLt" not in name)  # cuBLAS needs cuBLASLt
    asked: list[tuple[str, Sequence[str]]] = [(_DRIVER, [driver.library or _DRIVER])]
    asked += [(name, [*wheel_paths(found.folder.parent, name), name]) for name in wanted]
    errors = load_errors(asked)
    missing: dict[str, list[str]] = {}
    for name in wanted:
        if errors[name]:
            missing.setdefault(_stem(name).removesuffix("Lt"), []).append(name)
    return [_missing(stem, names, errors, found) for stem, names in missing.items()]


def _stem(soname: str) -> str:
    match = _FROM_NVIDIA.match(soname)
    return match[1] if match else soname


def _missing(
    stem: str, names: Sequence[str], errors: Mapping[str, str], found: OrtInstall
) -> Finding:
    """Libraries of one package that are absent, or there and broken."""
    absent = all(_ABSENT in errors[name] and name in errors[name] for name in names)
    state = "is not installed" if absent else f"cannot be loaded ({_short(errors[names[0]])})"
    cure = "install the CUDA toolkit that this onnxruntime was built for"
    if stem in _WHEELS:
        again = "" if absent else "--force-reinstall "
        cure = f"run: pip install {again}{_WHEELS[stem][found.cuda_major < _CONSOLIDATED]}"
    title = _TITLES.get(stem, stem)
    return Finding(f"no-{stem.lower()}", f"NVIDIA's {title} ({', '.join(names)}) {state}", cure)


def _unloadable(found: OrtInstall, reason: str) -> Finding:
    names = " ".join(found.distributions) or "onnxruntime-gpu"
    return Finding(
        "cuda-trial-failed",
        f"onnxruntime's CUDA provider fails in a trial ({_short(reason)})",
        f"update the driver, or run: pip install --force-reinstall --no-deps {names}",
    )


def _code_findings(found: OrtInstall, driver: Driver, device: int) -> list[Finding]:
    """The provider was compiled for other GPUs than this one."""
    gpu = next((one for one in driver.gpus if one.index == device), None)
    if gpu is None or found.cuda_provider is None or not gpu.sm.isdigit():
        return []
    try:
        code = gpu_code(found.cuda_provider)
    except ValueError:
        return []  # said when its libraries were looked for
    if not (code.cubins or code.ptx) or code.runs_on(int(gpu.sm)):
        return []
    name, version = next(iter(found.distributions.items()), ("onnxruntime", ""))
    cure = (
        "use runtime tensorrt (it comes with JetPack), or an onnxruntime-gpu that NVIDIA "
        "builds for Jetson"
        if gpu.integrated
        else "use runtime tensorrt, or an onnxruntime-gpu built for this GPU"
    )
    return [
        Finding(
            "wrong-sm",
            f"{name} {version} holds code for {code} and none for this GPU, {gpu.name} "
            f"(sm_{gpu.sm})",
            cure,
        )
    ]


def _short(error: str) -> str:
    return without_folders(" ".join(error.split()), 160)
