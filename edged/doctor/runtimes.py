"""Makes findings of the reasons that the runtimes themselves give.

The daemon looks for the same reasons before it makes a session; here each is shown with
its cure as a command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edged.doctor.finding import Finding
from edged.doctor.hardware import GPU_RUNTIMES, gravity, has_gpu
from edged.doctor.host import GpuRuntime, Host
from edged.doctor.pip import short
from edged.doctor.setup import Setup

if TYPE_CHECKING:  # they load numpy, which may be what is broken
    from edged.runtime.choice import Refusal
    from edged.runtime.libraries import Finding as Reason
    from edged.runtime.session import RuntimeChoice

ELSEWHERE = {
    "no-driver": "driver",
    "no-gpu": "driver",
    "onnxruntime-absent": "onnxruntime",
    "double-onnxruntime": "onnxruntime",
}
"""Reasons that another check shows, with more to say."""
_RUN = "run: "


def refusal(host: Host, setup: Setup, runtime: str) -> Refusal | None:
    """Why a runtime cannot serve, the configuration's options among the reasons."""
    from edged.runtime.choice import Refusal  # noqa: PLC0415 - loads numpy
    from edged.runtime.cuda_options import option_findings  # noqa: PLC0415 - likewise

    wrong = option_findings(setup.config.runtime.cuda_options) if runtime == "cuda" else ()
    return Refusal.of(wrong) or host.refusal(runtime)


def refusals(host: Host, setup: Setup) -> dict[str, str]:
    """Slug of each runtime that cannot serve."""
    found = {name: refusal(host, setup, name) for name in (*GPU_RUNTIMES, "cpu")}
    return {name: one.slug for name, one in found.items() if one is not None}


def chosen(host: Host, setup: Setup) -> RuntimeChoice:
    """What the engine would choose before it looks at any model.

    Raises:
        EngineError: the required runtime cannot be had, or none can.
    """
    from edged.runtime.choice import Served, Wish, choose  # noqa: PLC0415 - loads numpy

    runtime = setup.config.runtime
    wish = Wish(runtime.require, runtime.prefer)
    return choose(wish, lambda name: refusal(host, setup, name) or Served())


def reasons(host: Host, setup: Setup, runtime: GpuRuntime, well: str) -> Iterator[Finding]:
    """Why a runtime cannot work here.

    Args:
        host: asked.
        setup: says how bad that is.
        runtime: which.
        well: sentence for when it can.
    """
    if not has_gpu(host) and setup.wish != runtime:
        return
    options = _options(setup, runtime)
    found = options + host.reasons(runtime)
    level = gravity(host, setup, runtime)
    # Without a GPU there is nothing to install for one.
    own = [one for one in found if one.slug not in ELSEWHERE] if has_gpu(host) else list(options)
    for one in own:
        commands = command(host, one.cure)
        yield Finding(
            f"{runtime}.{one.slug}",
            level,
            one.problem,
            advice="" if commands else f"{one.cure[:1].upper()}{one.cure[1:]}.",
            cure=commands,
            data={"slug": one.slug},
        )
    if found and not own:
        checks = sorted({ELSEWHERE.get(one.slug, "driver") for one in found})
        yield Finding(
            f"{runtime}.waits",
            "note",
            f"{runtime} cannot be tried before {' and '.join(checks)} is mended",
            data={"slug": found[0].slug},
        )
    if not found:
        yield Finding(f"{runtime}.works", "ok", well, data={"slug": ""})


def _options(setup: Setup, runtime: GpuRuntime) -> tuple[Reason, ...]:
    if runtime != "cuda":
        return ()
    from edged.runtime.cuda_options import option_findings  # noqa: PLC0415 - loads numpy

    return option_findings(setup.config.runtime.cuda_options)


def command(host: Host, cure: str) -> tuple[str, ...]:
    """Commands in a cure of the form "run: A && B", with pip as this interpreter's."""
    if not cure.startswith(_RUN):
        return ()
    pip = f"{shlex.quote(short(host.python))} -m pip"
    words = cure.removeprefix(_RUN).split(" && ")
    return tuple(re.sub(r"\Apip ", f"{pip} ", one) for one in words)
