"""`edged isolation`: what this machine can give the engine, each mode tried for real.

For each mode a short-lived process is shut in as the engine would be and looks around.
"""

from __future__ import annotations

import dataclasses
import glob
import json
import subprocess
import sys
from typing import Annotated, Any

import typer

from edged.errors import OperatorError
from edged.privacy import hardening
from edged.privacy.isolation import Mode
from edged.privacy.launch import launched

MODES: tuple[Mode, ...] = ("namespace", "seccomp")
TRIAL_S = 60

_GPU_NODES = ("/dev/nvidia*", "/dev/nvmap", "/dev/nvhost-*", "/dev/nvgpu/*/*", "/dev/dri/render*")
_LOOK = """
import json, os, sys
from edged.privacy import isolation
found = isolation.check()
usable = [node for node in sys.argv[1:] if os.access(node, os.R_OK | os.W_OK)]
print(json.dumps({"mode": found.mode, "proof": found.proof, "gpu_nodes": usable}))
"""


def isolation(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say how the engine can be kept off the network on this machine.

    Exit code 71 when it cannot be.
    """
    nodes = sorted(node for pattern in _GPU_NODES for node in glob.glob(pattern))  # noqa: PTH207
    trials = {mode: _try(mode, nodes) for mode in MODES}
    given = [mode for mode in MODES if trials[mode]["given"]]
    state = dataclasses.asdict(hardening.harden())
    report = {
        "best": given[0] if given else "off",
        "modes": trials,
        "gpu_nodes": nodes,
        "process": state,
    }
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(report)
    if not given:
        raise typer.Exit(OperatorError.exit_code)


def _try(mode: Mode, nodes: list[str]) -> dict[str, Any]:
    """What a process sees that was shut in by this mode, or why it could not be."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            launched(mode, [sys.executable, "-c", _LOOK, *nodes]),
            check=False,
            capture_output=True,
            text=True,
            timeout=TRIAL_S,
        )
    except subprocess.TimeoutExpired:
        return {"given": False, "reason": f"no answer within {TRIAL_S} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"given": False, "reason": lines[-1].removeprefix("edged: ")}
    seen = json.loads(done.stdout)
    if seen["mode"] != mode:
        return {"given": False, "reason": f"it became {seen['mode']}", **seen}
    return {"given": True, **seen}


def _show(report: dict[str, Any]) -> None:
    for mode, trial in report["modes"].items():
        if not trial["given"]:
            typer.echo(f"{mode}: not here. {trial['reason']}")
            continue
        typer.echo(f"{mode}: yes")
        for name, value in trial["proof"].items():
            typer.echo(f"    {name.replace('_', ' '):<18} {value}")
        lost = sorted(set(report["gpu_nodes"]) - set(trial["gpu_nodes"]))
        if report["gpu_nodes"]:
            typer.echo(f"    {'gpu nodes':<18} {f'lost: {lost}' if lost else 'all usable'}")
    process = report["process"]
    typer.echo(
        f"memory: core dumps {'possible' if process['core_dumps'] else 'off'}, "
        f"readable by other processes {'yes' if process['dumpable'] else 'no'}, "
        f"swap {process['swap']}"
    )
    if process["swap"] == "possible":
        typer.echo(
            "    Memory could be written to the swap device. Set MemorySwapMax=0 in the unit, "
            "give a container --memory-swap equal to --memory, or switch swap off."
        )
    typer.echo(f"best: {report['best']}")
