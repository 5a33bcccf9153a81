"""Why TensorRT-RTX, a plugin provider of onnxruntime, cannot work here.

Its package bundles NVIDIA's libraries but for the driver's own, which it needs to be
loaded at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from edged.runtime.driver import Driver
from edged.runtime.libraries.finding import Finding
from edged.runtime.libraries.gpu import gpu_findings
from edged.runtime.libraries.loading import load_errors
from edged.runtime.libraries.wheels import CPU_ONLY, OrtInstall, ort_install

PACKAGE = "onnxruntime_ep_nv_tensorrt_rtx"
_WHEEL = "onnxruntime-ep-nv-tensorrt-rtx-cu13"
LIBRARY = "libonnxruntime_providers_nv_tensorrt_rtx.so"
SMS = frozenset({86, 89})
"""Compute capabilities below 12.0 that it takes; from 12.0 on it takes all.  From
`IsComputeCapabilitySupported` of the header in the package, version 0.5.0."""
FIRST_ORT = (1, 24)
"""Oldest onnxruntime with what the plugin calls, as its package asks."""
_DRIVERS_OWN = ("libcuda.so.1", "libnvidia-ml.so.1")


def takes(sm: int) -> bool:
    """Whether TensorRT-RTX runs on a GPU of this compute capability (8.6 is 86)."""
    return sm in SMS or sm >= 120


def plugin_folder() -> Path | None:
    """Where the plugin's package lies; it is not imported, because that loads libraries."""
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def rtx_findings(
    driver: Driver, *, device: int = 0, found: OrtInstall | None = None
) -> tuple[Finding, ...]:
    """Every reason, the first one to be mended first; none when a session can be tried.

    Args:
        driver: as probed.
        device: index of the GPU.
        found: the installed onnxruntime; asked for when left out.
    """
    found = found or ort_install()
    gpu = gpu_findings(driver, device)
    wrong = list(gpu)
    if found.folder is None:
        cure = "run: pip install 'edged[rtx]'"
        wrong.append(Finding("onnxruntime-absent", "onnxruntime is not installed", cure))
    elif too_old(found):
        versions = " and ".join(f"{name} {v}" for name, v in found.distributions.items())
        wrong.append(
            Finding(
                "onnxruntime-old",
                f"TensorRT-RTX needs onnxruntime {FIRST_ORT[0]}.{FIRST_ORT[1]}, here is {versions}",
                f"run: pip install --upgrade {' '.join(found.distributions)}",
            )
        )
    folder = plugin_folder()
    if folder is None or not (folder / LIBRARY).is_file():
        problem = "the TensorRT-RTX plugin of onnxruntime is not installed"
        # The extra brings the CPU's onnxruntime, which must not lie over the GPU's.
        lone = set(found.distributions) - CPU_ONLY
        cure = f"run: pip install {_WHEEL}" if lone else "run: pip install 'edged[rtx]'"
        wrong.append(Finding("no-rtx-plugin", problem, cure))
    if not gpu:
        wrong += _card(driver, device)
        wrong += _libraries(folder) if folder else []
    return tuple(wrong)


def too_old(found: OrtInstall) -> bool:
    """Whether the installed onnxruntime lacks what plugins call."""
    versions = [v.split(".")[:2] for v in found.distributions.values()]
    known = [tuple(map(int, v)) for v in versions if all(part.isdigit() for part in v)]
    return bool(known) and max(known) < FIRST_ORT


def _card(driver: Driver, device: int) -> list[Finding]:
    gpu = next(one for one in driver.gpus if one.index == device)
    if not gpu.sm.isdigit() or takes(int(gpu.sm)):
        return []
    return [
        Finding(
            "wrong-sm",
            f"TensorRT-RTX takes RTX cards from Ampere on (sm_86, sm_89, sm_120 and later); "
            f"{gpu.name} is sm_{gpu.sm}",
            "use runtime tensorrt or cuda",
        )
    ]


def _libraries(folder: Path) -> list[Finding]:
    """Bundled and system libraries that cannot be loaded."""
    bundled = sorted(folder.glob("lib*.so.*"), key=lambda path: "parser" in path.name)
    asked: list[tuple[str, Sequence[str]]] = [(name, [name]) for name in _DRIVERS_OWN]
    asked += [(path.name, [str(path)]) for path in bundled if not path.is_symlink()]
    asked.append((LIBRARY, [str(folder / LIBRARY)]))
    errors = load_errors(asked)
    if not errors[LIBRARY]:
        return []
    first = next((name for name, error in errors.items() if error), LIBRARY)
    return [
        Finding(
            "rtx-unloadable",
            f"the TensorRT-RTX plugin cannot be loaded: {first} is absent or broken",
            "install the driver's own libraries"
            if first in _DRIVERS_OWN
            else f"run: pip install --force-reinstall --no-deps {_WHEEL}",
        )
    ]
