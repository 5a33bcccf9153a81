"""A thousand devices: what the dashboard costs, whether it answers, whether it misses a message.

    python tests/bench/fleet_scale.py [--devices 1000] [--results-per-s 50] [--seconds 120]

Starts a mosquitto, the dashboard and `edged simulate`, opens the overview in Chromium, clicks
through it, and prints one table.  Wants Debian's mosquitto and chromium.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
import typer
from mosquitto import Mosquitto, accepts, free_port, wait_for
from playwright.sync_api import Page, expect, sync_playwright
from rich.console import Console
from rich.table import Table

from edged.dashboard.accounts import add_account

CHROMIUM = "/usr/bin/chromium"
WARM_UP_S = 20.0


def main(
    devices: Annotated[int, typer.Option(help="Simulated.")] = 1000,
    results_per_s: Annotated[float, typer.Option(help="Of all devices together.")] = 50.0,
    seconds: Annotated[float, typer.Option(help="Of load, the first 20 not measured.")] = 120.0,
) -> None:
    """Measure the dashboard under a simulated fleet."""
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder) / "broker") as broker:
        add_account(Path(folder) / "users", "ann", "correct horse", "operator")
        port, url = free_port(), f"mqtt://127.0.0.1:{broker.port}"
        dashboard = _edged("dashboard", "--users", f"{folder}/users", "--broker", url,
                           "--listen", f"127.0.0.1:{port}")  # fmt: skip
        try:
            wait_for(lambda: accepts(port), 60, "the dashboard")
            load = ("--devices", str(devices), "--results-per-s", str(results_per_s),
                    "--seconds", str(seconds), "--broker", url)  # fmt: skip
            found = _measure(dashboard, f"http://127.0.0.1:{port}", load)
        finally:
            dashboard.terminate()
            dashboard.wait(20)
    table = Table(title=f"{devices} devices, health every 10 s, {results_per_s:g} results a second")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in found.items():
        table.add_row(name, str(value))
    Console().print(table)


def _edged(*words: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "edged", *words],
                            stderr=subprocess.DEVNULL, **options)  # fmt: skip


def _measure(
    dashboard: subprocess.Popen[bytes], page_url: str, load: tuple[str, ...]
) -> dict[str, Any]:
    process = psutil.Process(dashboard.pid)
    with sync_playwright() as one:
        chromium = one.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        page.goto(page_url)
        page.fill("input[name=name]", "ann")
        page.fill("input[name=password]", "correct horse")
        page.click("button")
        simulator = _edged("simulate", "--json", *load, stdout=subprocess.PIPE)
        all_of_them = re.compile(rf"^{load[1]} devices$", re.IGNORECASE)
        expect(page.get_by_text(all_of_them)).to_be_visible(timeout=60_000)
        time.sleep(WARM_UP_S)
        before, begun_s = process.cpu_times(), time.monotonic()
        clicks_ms, rss_mb, heard = [], [], 0  # until shortly before all are taken away
        while time.monotonic() - begun_s < float(load[5]) - WARM_UP_S - 10:
            clicks_ms += _clicks(page)
            rss_mb.append(process.memory_info().rss / 2**20)
            after, took_s = process.cpu_times(), time.monotonic() - begun_s
            time.sleep(2)
        sent = json.loads(simulator.communicate()[0])
        wanted = sum(sent["sent"].values())
        deadline_s = time.monotonic() + 15
        while heard < wanted and time.monotonic() < deadline_s:
            text = page.get_by_text("messages heard").inner_text()
            heard = int(text.partition(" ")[0].replace(",", ""))
            time.sleep(0.2)
        chromium.close()
    spent_s = sum(after[:2]) - sum(before[:2])
    return {
        "dashboard CPU, % of a core": round(100 * spent_s / took_s, 1),
        "dashboard RSS, MB, at most": round(max(rss_mb)),
        "click answered, ms, median": round(statistics.median(clicks_ms)),
        "click answered, ms, at most": round(max(clicks_ms)),
        "clicks": len(clicks_ms),
        "messages sent": wanted,
        "messages heard": heard,
        "not acknowledged to the simulator": sent["unacknowledged"],
    }


def _clicks(page: Page) -> list[float]:
    """How long the overview takes to show the offline devices, and all again."""
    took_ms = []
    for name, shows in (("degraded", "degraded"), ("degraded", "offline")):
        button = page.get_by_role("button", name=re.compile(rf"\d+ {name}", re.IGNORECASE))
        begun_s = time.monotonic()
        button.click()
        # Asked at each frame that the browser draws; `expect` would ask now and then.
        page.wait_for_function(
            "word => document.querySelector('tbody tr')?.innerText.includes(word)", arg=shows,
            polling="raf", timeout=10_000,
        )  # fmt: skip
        took_ms.append(1000 * (time.monotonic() - begun_s))
    return took_ms


if __name__ == "__main__":
    typer.run(main)
