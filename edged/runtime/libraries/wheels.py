"""Which distributions of onnxruntime are installed, and where their parts lie.

Asks the installed metadata; imports no onnxruntime, so that it can be asked in a process
that must not load one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from edged.runtime.libraries.finding import Finding

ORT_PREFIXES = ("onnxruntime", "ort-nightly")
CPU_ONLY = frozenset({"onnxruntime"})
"""PyPI's distribution without GPU providers."""
_CUDA_VERSION = re.compile(r"^cuda_version\s*=\s*['\"]([0-9.]*)['\"]", re.MULTILINE)


@dataclass(frozen=True)
class OrtInstall:
    """The onnxruntime that an import would give.

    Attributes:
        folder: of the package; None when there is none.
        distributions: name -> version of all that install into this folder.
        cuda_version: that it was built for, "13.0"; empty for a build without CUDA.
    """

    folder: Path | None
    distributions: dict[str, str]
    cuda_version: str

    @property
    def cuda_provider(self) -> Path | None:
        """The CUDA provider's library, where the build has one."""
        return self._library("libonnxruntime_providers_cuda.so")

    @property
    def shared(self) -> Path | None:
        """The library that providers of their own file share."""
        return self._library("libonnxruntime_providers_shared.so")

    @property
    def cuda_major(self) -> int:
        """Major version of CUDA, 0 for a build without."""
        major = self.cuda_version.partition(".")[0]
        return int(major) if major.isdigit() else 0

    def _library(self, name: str) -> Path | None:
        path = self.folder / "capi" / name if self.folder else None
        return path if path and path.is_file() else None


def ort_install() -> OrtInstall:
    """What is installed for this interpreter."""
    spec = find_spec("onnxruntime")
    places = list(spec.submodule_search_locations or ()) if spec else []
    folder = Path(places[0]) if places else None
    note = folder / "capi" / "build_and_package_info.py" if folder else None
    text = note.read_text("utf-8", "replace") if note and note.is_file() else ""
    found = _CUDA_VERSION.search(text)
    named = ort_distributions(folder) if folder else {}
    return OrtInstall(folder, named, found[1] if found else "")


def ort_distributions(folder: Path) -> dict[str, str]:
    """Name -> version of every distribution that installs onnxruntime into this folder."""
    found: dict[str, str] = {}
    for one in metadata.distributions():
        name = (one.metadata["Name"] or "").lower().replace("_", "-")
        if name.startswith(ORT_PREFIXES) and _installs_into(one, folder):
            found.setdefault(name, one.version)
    return dict(sorted(found.items()))


def _installs_into(one: metadata.Distribution, folder: Path) -> bool:
    """Whether it brings this package, rather than a plugin or a copy elsewhere."""
    package = Path(str(one.locate_file("onnxruntime")))
    files = one.files  # None where the installer kept no list
    brings = files is None or any(file.parts[:1] == ("onnxruntime",) for file in files)
    return brings and package.resolve() == folder.resolve()


def double_onnxruntime(found: OrtInstall) -> Finding | None:
    """Two distributions of onnxruntime in one folder: whichever came last won, in part."""
    if len(found.distributions) < 2:
        return None
    names = " and ".join(f"{name} {version}" for name, version in found.distributions.items())
    gpu = [name for name in found.distributions if name not in CPU_ONLY] or ["onnxruntime-gpu"]
    return Finding(
        "double-onnxruntime",
        f"{names} are installed on top of each other, so the CUDA provider may be half there",
        f"run: pip uninstall -y {' '.join(found.distributions)} && pip install {gpu[0]}",
    )
