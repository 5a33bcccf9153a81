"""The machine as checks see it: its files, its packages, what its GPU's libraries say.

Tests give another root folder and canned answers.  Whatever loads a foreign library goes
through a process of its own with a time limit: a broken driver can crash or hang that
one, and the doctor says so.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edged.doctor.box import Box
from edged.privacy.isolation import Mode
from edged.privacy.trial import Trial, try_mode
from edged.runtime.driver import Driver, probe

if TYPE_CHECKING:  # they load numpy and onnx, which may be what is broken
    from edged.runtime.choice import Refusal
    from edged.runtime.libraries import Finding, OrtInstall
    from edged.runtime.machine import Machine

GpuRuntime = Literal["cuda", "tensorrt-rtx"]
_WITH_REASONS: tuple[GpuRuntime, ...] = ("cuda", "tensorrt-rtx")

_TENSORRT = """
import json
from edged.errors import EngineError
from edged.runtime.trt.names import load_tensorrt
try:
    print(json.dumps({"version": load_tensorrt().__version__}))
except EngineError as error:
    cause = error.__cause__
    absent = getattr(cause, "name", None) if isinstance(cause, ModuleNotFoundError) else ""
    print(json.dumps({"absent": absent, "text": str(cause or error).partition(";")[0][:300]}))
"""


@dataclass(frozen=True)
class Package:
    """An installed distribution: name, version and the folder that it lies in."""

    name: str
    version: str
    folder: str


class Host(Box):
    """See the module; the arguments are those of :class:`edged.doctor.box.Box`."""

    # -- what is installed ------------------------------------------------------------

    def packages(self) -> Mapping[str, Package]:
        """Installed distributions by normalised name; the first on the path wins."""
        return self.once("packages", _packages)

    def owners(self, file: str) -> list[Package]:
        """Distributions that brought a file, such as "cv2/__init__.py"."""
        return self.once(f"owners {file}", lambda: _owners(file))

    def requirements(self) -> list[str]:
        """What edged's own metadata asks for, extras included."""
        try:
            return importlib.metadata.requires("edged") or []
        except importlib.metadata.PackageNotFoundError:  # run from a checkout
            return []

    def package(self, name: str) -> Package | None:
        """One of them."""
        return self.packages().get(name)

    # -- what other parts of edged know ------------------------------------------------

    def driver(self) -> Driver:
        """What the CUDA driver answers."""
        return self.once("driver", lambda: probe(root=self.root, environment=self.env))

    def onnxruntime(self) -> OrtInstall:
        """The onnxruntime that an import would give."""

        def ask() -> OrtInstall:
            from edged.runtime.libraries import ort_install  # noqa: PLC0415 - loads numpy

            return ort_install()

        return self.once("onnxruntime", ask)

    def reasons(self, runtime: GpuRuntime) -> tuple[Finding, ...]:
        """Why a runtime of onnxruntime cannot work here; none when a session came up."""
        backend = self._machine().backend(runtime)
        return self.once(f"reasons {runtime}", lambda: tuple(backend.findings()))  # type: ignore[attr-defined]

    def tensorrt(self) -> dict[str, Any]:
        """{"version"} of TensorRT; {"absent", "text"} where it does not load, or {"died"}."""
        return self.once("tensorrt", lambda: self.ask(_TENSORRT, timeout_s=30))

    def refusal(self, runtime: str) -> Refusal | None:
        """Why any runtime cannot work here; None when it can."""
        for name in _WITH_REASONS:
            if name == runtime:  # so that two checks do not look for them at once
                self.reasons(name)
        if runtime == "tensorrt" and "version" not in self.tensorrt():
            from edged.runtime.choice import Refusal  # noqa: PLC0415 - loads numpy

            # Its import, which the runtime does in its own process, may kill this one.
            return Refusal("no-tensorrt", "TensorRT is not installed, or does not load")
        return self.once(f"refusal {runtime}", lambda: self._machine().refusal(runtime))

    def identity(self, runtime: str) -> Mapping[str, str]:
        """What engines of a runtime depend on here.

        Raises:
            EngineError: it cannot work here.
        """
        return self._machine().backend(runtime).identity()

    def _machine(self) -> Machine:
        def make() -> Machine:
            from edged.runtime.machine import Machine  # noqa: PLC0415 - loads numpy

            return Machine(ask_driver=self.driver)

        return self.once("machine", make)

    def isolation(self, mode: Mode) -> Trial:
        """What a process sees that was shut in by this mode."""
        return self.once(f"isolation {mode}", lambda: try_mode(mode))


def _packages() -> Mapping[str, Package]:
    found: dict[str, Package] = {}
    for dist in importlib.metadata.distributions():
        name = dist.metadata["Name"]
        if name:  # half-removed ones have none
            key = re.sub(r"[-_.]+", "-", name).lower()
            found.setdefault(key, Package(key, dist.version, str(dist.locate_file(""))))
    return found


def _owners(file: str) -> list[Package]:
    """By each distribution's own list of files: two names may share a folder."""
    found = []
    seen = set()
    for dist in importlib.metadata.distributions():
        name = dist.metadata["Name"]
        if name and any(str(path) == file for path in dist.files or ()):
            package = Package(
                re.sub(r"[-_.]+", "-", name).lower(), dist.version, str(dist.locate_file(""))
            )
            if package not in seen:
                seen.add(package)
                found.append(package)
    return sorted(found, key=lambda package: package.name)
