"""`make soak`: half an hour of a busy booth, and whether it stayed as it was.

`make soak` takes 30 minutes, `make soak ARGS="--minutes 10"` less.  Real engine, uplink and
broker; a 1080p stream of real faces that somebody watches, shots, and a consumer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from booth import Booth, until
from consumer import Consumer
from shots import real_models
from soak.control import Control
from soak.load import CONFIG, RETENTION, Load
from soak.samples import Sampler, percentile
from soak.show import chart, table
from soak.verdict import judge, windows

LEAST_SAMPLES = 12
"""Two in each window."""


def main(  # noqa: PLR0917 - typer's
    minutes: Annotated[float, typer.Option(min=0.2, help="How long.")] = 30.0,
    fps: Annotated[float, typer.Option(min=1, help="Frames a second that the camera gives.")] = 12,
    shot_every_s: Annotated[float, typer.Option(min=0.2, help="Between two shots.")] = 5.0,
    sample_every_s: Annotated[float, typer.Option(min=0.2, help="Between two looks.")] = 5.0,
    chart_file: Annotated[Path, typer.Option("--chart", help="PNG.")] = Path("soak.png"),
    leak: Annotated[bool, typer.Option(help="Let the engine leak from half time on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, samples and all.")] = False,
) -> None:
    """Soak one booth and compare its last minutes with those after its warm-up.

    Ends with 1 when a promise broke, with 2 when something is missing for a run, with 130
    after a Ctrl-C or a kill, which reports what was seen until then.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left running
    if real_models() is None:
        typer.echo(
            "EDGED_TEST_MODELS is not set: name the folder of small real networks "
            "(det_500m, yunet, mobilefacenet)",
            err=True,
        )
        raise typer.Exit(2)
    screen = Console(stderr=True)
    samples, load, cut = _soak(
        minutes * 60, screen,
        fps=fps, shot_every_s=shot_every_s, sample_every_s=sample_every_s, leak=leak,
    )  # fmt: skip
    if len(samples) < LEAST_SAMPLES:
        typer.echo(f"{len(samples)} samples say nothing; {LEAST_SAMPLES} are needed", err=True)
        raise typer.Exit(130 if cut else 2)
    findings = judge(samples, load.problems)
    first, last = windows(samples)
    said = (
        f"{samples[-1].at_s / 60:.1f} minutes{', cut short' if cut else ''}: {load.sent} frames "
        f"sent, {load.shown} shown, {len(load.shots_ms)} shots; control {_control(first)} ms "
        f"and {_control(last)} ms; load of the machine {samples[-1].load}, "
        f"{os.cpu_count()} cores"
    )
    chart(samples, chart_file, said)
    if as_json:
        plain = {
            "said": said, "cut": cut, "minutes": samples[-1].at_s / 60,
            "findings": [vars(one) for one in findings],
            "samples": [one.as_plain() for one in samples],
        }  # fmt: skip
        typer.echo(json.dumps(plain, indent=1))
    else:
        Console().print(table(findings), said, f"chart: {chart_file}", sep="\n")
    if cut:
        raise typer.Exit(130)
    raise typer.Exit(0 if all(one.held for one in findings) else 1)


def _soak(whole_s, screen, *, fps, shot_every_s, sample_every_s, leak):
    """Samples, load, and whether it was cut short."""
    samples, cut, load = [], False, None
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edged-soak-")))
            bar = stack.enter_context(_bar(screen))
            task = bar.add_task("starting", total=whole_s, seen="")
            booth = stack.enter_context(_booth(folder, leak=leak))
            consumer = stack.enter_context(
                Consumer(booth.broker.port, "test", "booth-1", keep_pictures=50)
            )
            until(lambda: consumer.status.get("state") == "online", 30, "online")
            control = stack.enter_context(Control(real_models()))
            load = stack.enter_context(
                Load(booth, fps=fps, shot_every_s=shot_every_s, control=control.time_ms)
            )
            until(
                lambda: load.shown and load.shots_ms and load.control_ms,
                60, "the first frame, shot and control",
            )  # fmt: skip
            look = Sampler(booth, load, consumer)
            bar.update(task, description="soaking")
            while not samples or samples[-1].at_s < whole_s:
                time.sleep(sample_every_s)
                samples.append(look())
                bar.update(task, completed=min(whole_s, samples[-1].at_s), seen=_line(samples[-1]))
                if not screen.is_terminal and len(samples) % 12 == 0:
                    screen.print(f"{samples[-1].at_s / 60:.1f} min: {_line(samples[-1])}")
                if leak and samples[-1].at_s > whole_s / 2:
                    booth.fault_file.touch()
        except KeyboardInterrupt:
            cut = True
            screen.print("stopping; what was seen so far:")
    return samples, load, cut


def _booth(folder, *, leak):
    booth = Booth(
        folder, models=real_models(), extra=CONFIG, consumer=False,
        fault="leaking" if leak else None,
    )  # fmt: skip
    booth.config.write_text(booth.config.read_text().replace(*RETENTION))
    return booth


def _control(samples):
    return percentile([ms for sample in samples for ms in sample.control_ms], 50)


def _line(sample):
    frames = sample.as_plain()["frames_p95_ms"]
    return (
        f"{sample.engine.rss_mb:.0f} MB, {sample.engine.fds} fds, {sample.engine.threads} threads, "
        f"{sample.shown_fps:.1f} frames/s, p95 {frames} ms"
    )


def _bar(screen):
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[seen]}"), console=screen, transient=True,
        disable=not screen.is_terminal,
    )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
