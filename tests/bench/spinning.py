"""What threads that spin after a run cost where several networks run in turn.

    EDGED_TEST_MODELS=... python tests/bench/spinning.py

A look is that of `tests/soak/control.py`: three networks, one of them at two sizes, one four
times.  Each way runs in a process of its own, the ways in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soak.control import Look

WARM = 5


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Processes of each way.")] = 5,
    looks: Annotated[int, typer.Option(min=1, help="In each process.")] = 40,
    one: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Time looks with one thread and with one a core, that spin and that do not."""
    folder = os.environ.get("EDGED_TEST_MODELS", "")
    if not folder:
        typer.echo("EDGED_TEST_MODELS is not set: name the folder of small real networks", err=True)
        raise typer.Exit(2)
    if one:
        threads, spin = json.loads(one)
        typer.echo(json.dumps(_timed(folder, threads, spin, looks)))
        return
    cores = os.cpu_count() or 1
    ways = [(1, False), (cores, True), (cores, False)]
    seen = defaultdict(list)
    for way in track(ways * rounds, "looking", console=Console(stderr=True)):
        argv = [sys.executable, __file__, "--looks", str(looks), "--one", json.dumps(way)]
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        seen[way].append(json.loads(said))
    table = Table("threads", "spin", "look p50, ms", "p95, ms", "processor time, ms")
    for (threads, spin), found in seen.items():
        wall = np.concatenate([times for times, _ in found])
        cpu = np.median([each for _, each in found])
        p50, p95 = np.percentile(wall, [50, 95])
        words = "yes" if spin else "no"
        table.add_row(str(threads), words, f"{p50:.0f}", f"{p95:.0f}", f"{cpu:.0f}")
    Console().print(table)


def _timed(folder: str, threads: int, spin: bool, looks: int) -> tuple[list[float], float]:
    """Milliseconds of each look, and of processor time a look."""
    look, times = Look(folder, threads=threads, spin=spin), []
    for _ in range(WARM):
        look()
    used = time.process_time()
    for _ in range(looks):
        began = time.perf_counter()
        look()
        times.append(1000 * (time.perf_counter() - began))
    return times, 1000 * (time.process_time() - used) / looks


if __name__ == "__main__":
    typer.run(main)
