"""The demo from its first to its last step: read :func:`run_demo`.

Everything is real: a broker on a socket, `edged run` as child processes, a client on
ZeroMQ, a subscriber on MQTT.  It all lives in a temporary folder that is gone afterwards;
what stays is the contact sheet.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from edged.builtin.pack import write_pack
from edged.demo import device as booth
from edged.demo import photos
from edged.demo.broker import start_broker
from edged.demo.judge import Judge, Square
from edged.demo.report import Report
from edged.demo.sheet import CELL_PX, write_sheet
from edged.demo.shots import STREAM_FPS, STREAM_S, programme, send, stream
from edged.demo.watch import Watcher
from edged.errors import EdgedError
from edged.transport.client import FrameClient
from edged.verdicts import Verdict

START_S = 90.0
"""How long engine and uplink may take; a cold disk and two slow cores need 20."""

README_CELL_PX = 420
"""Width of the README picture's columns."""


@dataclass(frozen=True)
class Wishes:
    """What the command line asked for.

    Attributes:
        photo: the visitor's own picture, instead of the packaged ones.
        out: folder of the sheet.
        keep: stay up until Ctrl-C.
        embedded: the embedded broker, even where mosquitto is installed.
        readme: also write the README's picture here, with a drawn visitor in it.
    """

    photo: Path | None
    out: Path
    keep: bool = False
    embedded: bool = False
    readme: Path | None = None


def run_demo(wishes: Wishes, console: Console) -> Report:
    """Run everything and report; the caller shows the report.

    Raises:
        EdgedError: the demo could not even begin; the message says why.
    """
    booth.require_packages("onnxruntime", "skimage", "insightface", "PIL")
    group = photos.visitor(wishes.photo) if wishes.photo else photos.group()
    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="edged-demo-"))
    with _Steps(console) as steps, contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        one = photos.drawn(folder / "visitor.png") if wishes.readme else photos.astronaut()
        steps("starting a broker")
        broker = start_broker(folder, embedded=wishes.embedded)
        stack.callback(broker.child.stop)
        isolation = booth.best_isolation()
        watcher = Watcher(broker.port, booth.SITE, booth.DEVICE, mqtt5=broker.mqtt5)
        stack.callback(watcher.close)
        device = booth.start_device(folder, broker.port, one.path, isolation)
        stack.callback(device.child.stop)

        steps("starting engine and uplink, building the built-in models")
        judge = Judge(write_pack(folder / "judge")["builtin_recogniser"])
        stack.callback(judge.close)
        shots = programme(group, one, own=wishes.photo is not None)
        pool = ThreadPoolExecutor(1)
        stack.callback(pool.shutdown, cancel_futures=True)
        looks: dict[str, Future[list[Square]]] = {
            photo.name: pool.submit(judge.find, photo.image)
            for photo in {shot.photo.name: shot.photo for shot in shots}.values()
        }
        device.child.wait_until(
            lambda: bool(watcher.states) and watcher.states[-1] in ("online", "degraded"), START_S
        )
        known = {name: look.result() for name, look in looks.items()}
        report.facts["broker"] = f"{broker.name}, port {broker.port}"

        with FrameClient(device.frames) as client:
            for number, shot in enumerate(shots, 1):
                steps(f"shot {number} of {len(shots)}: {shot.photo.name}, {shot.scene}")
                report.done.append(send(shot, client, watcher, judge, known[shot.photo.name]))
        total = round(STREAM_S * STREAM_FPS)
        steps(f"a stream of about {total} frames")
        streamed = shots[-1].photo if wishes.photo else one
        report.stream = stream(streamed, device, judge, known[streamed.name], steps.tick)
        with contextlib.suppress(EdgedError):  # the report names what is missing
            watcher.wait_for("a health document", lambda: bool(watcher.health), 15.0)

        steps("writing the sheet")
        report.take(watcher)
        _find_problems(report, own=wishes.photo is not None)
        _write_sheets(report, wishes)
        if wishes.keep:
            steps.close()
            report.show(console)
            _stay(console, device, broker.port)
        else:
            steps("stopping uplink, engine and broker")
    return report


def _find_problems(report: Report, *, own: bool) -> None:
    for each in report.done:
        # What a visitor's photo shows is unknown: the guard may rightly keep it in.
        refused = own and each.verdict.verdict is Verdict.REFUSED
        if each.problem and not refused:
            name = f"{each.shot.photo.name}, {each.shot.scene}"
            report.problems.append(f"{name}: {each.problem}")
    problem = report.stream.problem
    if not problem and not own and not report.stream.passed:
        problem = "the guard let no frame out"
    if problem:
        report.problems.append(f"stream: {problem}")


def _write_sheets(report: Report, wishes: Wishes) -> None:
    footer = (
        f"built-in models: generated, not trained, for trying out only | isolation: "
        f"{report.facts['isolation']} | {time.strftime('%Y-%m-%d')}"
    )
    report.sheet = wishes.out / "sheet.png"
    write_sheet(report.done, footer, report.sheet, CELL_PX)
    if wishes.readme:
        ours = [each for each in report.done if each.shot.photo.ours_to_show]
        write_sheet(ours, "built-in models, for trying out only | the visitor is drawn, too",
                    wishes.readme, README_CELL_PX)  # fmt: skip


def _stay(console: Console, device: booth.Device, port: int) -> None:
    """Say how to play with what runs, and wait for Ctrl-C."""
    console.print(
        f"\nStill up. Send a photo of your own:\n"
        f"  edged send PHOTO --camera {booth.BOOTH} --scene {booth.CHARACTER} "
        f"-o out.jpg --endpoint {device.frames}\n"
        f"Watch the broker:\n  mosquitto_sub -p {port} -t 'edged/#' -F '%t %l bytes'\n"
        "Ctrl-C ends it all.",
        soft_wrap=True, markup=False, highlight=False,
    )  # fmt: skip
    gone = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: gone.set())
    try:
        while not gone.wait(0.5) and device.child.alive():
            pass
    finally:
        signal.signal(signal.SIGINT, before)


class _Steps:
    """One line a step, with a spinner on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]ok[/]"), TextColumn("{task.description}"),
            TimeElapsedColumn(), console=console,
        )  # fmt: skip
        self._task: int | None = None

    def __enter__(self) -> _Steps:  # noqa: PYI034 - Self needs 3.11
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, what: str) -> None:
        """Begin a step; the one before is done."""
        self._finish()
        self._task = self._progress.add_task(what, total=1)

    def tick(self) -> None:
        """Something moved within the step."""
        self._progress.refresh()

    def close(self) -> None:
        """The last step is done."""
        self._finish()
        self._progress.stop()

    def _finish(self) -> None:
        if self._task is not None:
            self._progress.update(self._progress.tasks[self._task].id, completed=1)
            self._task = None


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, so that nothing stays behind."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
