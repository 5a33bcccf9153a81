"""Sessions on TensorRT-RTX, a plugin provider of onnxruntime for RTX cards.

The plugin compiles the graph when the session is made, for the extents that it is told,
and keeps what it has compiled for the card in a cache beside the engine.  It moves arrays
itself: runs go from host memory to host memory.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from edged.errors import EngineError
from edged.faces import Tensor
from edged.runtime.backend import Profile
from edged.runtime.failures import run_failure
from edged.runtime.libraries.rtx import PACKAGE
from edged.runtime.ort import QUIET, OrtModel, import_ort, plain_run
from edged.runtime.session import Feeds, Meter, OnHost

_registered = threading.Lock()
_names: dict[str, str] = {}


class RtxSession(OrtModel, OnHost):
    """A model on TensorRT-RTX.

    Args:
        model: the ONNX file.
        model_id: for messages.
        profile: extents to compile for; None leaves it to the plugin.
        cache: folder for what it compiles for this card; None keeps nothing.
        meter: counts the time inside `run`.
    """

    def __init__(
        self,
        model: Path,
        *,
        model_id: str,
        profile: Profile | None = None,
        cache: Path | None = None,
        meter: Meter | None = None,
    ) -> None:
        super().__init__(model, model_id=model_id, meter=meter)
        self._profile = profile
        self._cache = cache
        self._owner = 0

    def __enter__(self) -> RtxSession:  # noqa: PYI034 - Self needs 3.11
        """Compile and load; this thread owns it from now on.

        Raises:
            ModelError: the file is absent.
            EngineError: the plugin is not here, or not all of the graph would run on it.
        """
        ort = import_ort("rtx")
        source, what = self._source()
        name = register(ort)
        devices = [one for one in ort.get_ep_devices() if one.ep_name == name]
        if not devices:
            raise EngineError(
                f"model {self.model_id}: TensorRT-RTX sees no card that it takes; it needs an "
                "RTX card from Ampere on; see `edged doctor`"
            )
        options = ort.SessionOptions()
        options.log_severity_level = QUIET
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            told = provider_options(self._profile, self._cache)
            options.add_provider_for_devices(devices[:1], told)
            session = ort.InferenceSession(source, options, enable_fallback=0)
        except Exception as error:  # noqa: BLE001 - its text may hold this machine's name
            msg = (
                f"model {self.model_id}: TensorRT-RTX does not take {what} "
                f"({type(error).__name__}); see `edged doctor`"
            )
            raise EngineError(msg) from None
        session.disable_fallback()
        if session.get_providers()[:1] != [name]:
            chosen = session.get_providers()
            raise EngineError(
                f"model {self.model_id}: asked for TensorRT-RTX, onnxruntime chose {chosen}"
            )
        self._owner = threading.get_ident()
        self._loaded(session)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the session go."""
        self._session = None

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """See :class:`edged.runtime.session.Session`."""
        session = self._ready()
        if threading.get_ident() != self._owner:
            raise EngineError(f"model {self.model_id}: its session belongs to another thread")
        start = time.perf_counter_ns()
        try:
            out = plain_run(session, self.outputs, feeds)
        except Exception as error:  # noqa: BLE001 - the text may hold shapes of a frame
            raise run_failure(self.model_id, "in TensorRT-RTX", error) from None
        self._meter.add(time.perf_counter_ns() - start)
        return out


def register(ort: ModuleType) -> str:
    """Load the plugin into onnxruntime, once a process; the provider's name.

    Raises:
        EngineError: it is absent or cannot be loaded.
    """
    with _registered:
        if PACKAGE in _names:
            return _names[PACKAGE]
        try:
            plugin: Any = import_module(PACKAGE)
        except ImportError as error:
            msg = "TensorRT-RTX's plugin is not installed; run: pip install 'edged[rtx]'"
            raise EngineError(msg) from error
        if not hasattr(ort, "register_execution_provider_library"):
            msg = "onnxruntime is too old for plugins; run: pip install --upgrade 'edged[rtx]'"
            raise EngineError(msg)
        name = str(plugin.get_ep_name())
        try:
            ort.register_execution_provider_library(name, plugin.get_library_path())
        except Exception as error:  # noqa: BLE001 - its text holds this machine's folders
            msg = (
                f"TensorRT-RTX's plugin cannot be loaded ({type(error).__name__}): it needs "
                "NVIDIA's driver (libcuda.so.1, libnvidia-ml.so.1); see `edged doctor`"
            )
            raise EngineError(msg) from None
        _names[PACKAGE] = name
        return name


def provider_options(profile: Profile | None, cache: Path | None) -> Mapping[str, str]:
    """The plugin's options: extents as "crops:1x112x112x3,latents:1x512", and its cache."""
    made: dict[str, str] = {}
    if profile is not None:
        for key in ("min", "opt", "max"):
            made[f"nv_profile_{key}_shapes"] = ",".join(
                f"{name}:{'x'.join(map(str, getattr(shapes, key)))}"
                for name, shapes in profile.inputs.items()
            )
    if cache is not None:
        with contextlib.suppress(OSError):  # without it, it compiles at each start
            cache.mkdir(parents=True, exist_ok=True)
            made["nv_runtime_cache_path"] = str(cache)
    return made
