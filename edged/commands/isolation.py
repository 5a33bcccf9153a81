"""`edged isolation`: what this machine can give the engine, each mode tried for real.

For each mode a short-lived process is shut in as the engine would be and looks around.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import typer

from edged.errors import OperatorError
from edged.privacy import hardening
from edged.privacy.isolation import Mode
from edged.privacy.trial import gpu_nodes, try_mode

MODES: tuple[Mode, ...] = ("namespace", "seccomp")


def isolation(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say how the engine can be kept off the network on this machine.

    Exit code 71 when it cannot be.
    """
    trials = {mode: dataclasses.asdict(try_mode(mode)) for mode in MODES}
    given = [mode for mode in MODES if trials[mode]["given"]]
    state = dataclasses.asdict(hardening.harden())
    report = {
        "best": given[0] if given else "off",
        "modes": trials,
        "gpu_nodes": gpu_nodes(),
        "process": state,
    }
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(report)
    if not given:
        raise typer.Exit(OperatorError.exit_code)


def _show(report: dict[str, Any]) -> None:
    for mode, trial in report["modes"].items():
        if not trial["given"]:
            typer.echo(f"{mode}: not here. {trial['reason']}")
            continue
        typer.echo(f"{mode}: yes")
        for name, value in trial["proof"].items():
            typer.echo(f"    {name.replace('_', ' '):<18} {value}")
        if report["gpu_nodes"]:
            lost = ", ".join(trial["lost"])
            typer.echo(f"    {'gpu nodes':<18} {f'lost: {lost}' if lost else 'as outside'}")
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
