"""`edged calibrate camera`: is the camera set up well, and which threshold fits it?

Thin: options in, progress on stderr, advice or one JSON object on stdout.  Frames are looked
at one by one in memory; no picture is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edged.commands.engine_progress import shown_progress
from edged.commands.options import ConfigFile, Json
from edged.commands.sources import is_live, is_pictures, open_source
from edged.errors import ConfigError, LinkError, OperatorError
from edged.faces import Image


def camera(  # noqa: PLR0917 - typer gives them by name
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Device number or path, stream URL, video, folder, pictures."
        ),
    ],
    frames: Annotated[
        int, typer.Option(min=1, max=10_000, help="Frames to look at, at most.")
    ] = 150,
    fps: Annotated[
        float, typer.Option(min=0.1, max=60, help="Of a camera or video, so many a second.")
    ] = 5.0,
    scene: Annotated[
        str, typer.Option(help="Scene that min_face_px is for; the first camera's if left out.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="File of the keys; calibration/camera.toml of the state folder."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, and write nothing.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Measure exposure, white balance, focus, faces and detector scores, and say what to do.

    Let people stand and walk where visitors do meanwhile.  Ctrl-C ends it early and keeps what
    was measured.  No picture is written.
    """
    # Heavy modules after the options are known to be right.
    import msgspec  # noqa: PLC0415

    from edged.commands.camera_view import show  # noqa: PLC0415
    from edged.commands.configured import configured  # noqa: PLC0415
    from edged.daemon.assemble import open_detectors  # noqa: PLC0415
    from edged.fresh_file import write_fresh  # noqa: PLC0415
    from edged.measure.booth import BoothView  # noqa: PLC0415
    from edged.measure.camera_advice import advise  # noqa: PLC0415
    from edged.measure.camera_report import camera_report, fragment  # noqa: PLC0415
    from edged.measure.sightings import ASKED_SCORE  # noqa: PLC0415
    from edged.stages.search import search  # noqa: PLC0415
    from edged.stages.views import Effort  # noqa: PLC0415

    settings, origin = configured(config)
    scene = scene or next(iter(settings.cameras.values())).scene
    if scene not in settings.scenes:
        raise ConfigError(f"--scene {scene!r}: known scenes: {', '.join(settings.scenes)}")
    ordered = len(sources) == 1 and not is_pictures(sources[0])
    low = msgspec.structs.replace(settings.guard, det_thresh=ASKED_SCORE)
    console = Console(stderr=True, highlight=False)
    console.print(f"{origin}: {', '.join(settings.models.detectors)}", markup=False)
    with ExitStack() as stack, shown_progress(console, 1) as begin, begin("camera") as tell:
        asked = msgspec.structs.replace(settings, guard=low)
        detectors = open_detectors(asked, stack, lambda step: tell(step, 0.0))
        effort = Effort(settings.guard.sizes_px)
        view = BoothView(partial(search, detectors=detectors, effort=effort), ordered)

        def add(frame: Image) -> None:
            view.add(frame)
            tell("look at frames", len(view.frames) / frames)

        try:
            _look(sources, frames, fps, add)
        except KeyboardInterrupt:
            if not view.frames:
                raise
    if not view.frames:
        raise LinkError(f"{sources[0]}: no frame came; check that it is the right one")
    report = camera_report(view, settings.guard.det_thresh)
    report = msgspec.structs.replace(report, advice=advise(report))
    keys = fragment(report, scene)
    if keys and not dry_run:
        path = out or settings.models.folder.parent / "calibration" / "camera.toml"
        try:
            write_fresh(path, keys.encode())
        except OSError as error:
            raise OperatorError(
                f"{path}: cannot be written: {error.strerror}; say --out FILE"
            ) from error
        report = msgspec.structs.replace(report, written=str(path))
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        show(report, keys, Console(highlight=False))


def _look(sources: Sequence[str], most: int, fps: float, add: Callable[[Image], None]) -> None:
    """Hand over frames until there are enough, or none."""
    count = 0
    for source in sources:
        for frame in _frames(source, fps):
            add(frame)
            count += 1
            if count >= most:
                return


def _frames(what: str, fps: float) -> Iterator[Image]:
    """Frames of a source, so many a second of its time; pictures all."""
    with closing(open_source(what)) as source:
        live, pictures = is_live(what), is_pictures(what)
        step = max(1.0, source.fps / fps) if source.fps and not pictures else 1.0
        due, due_s, number = 0.0, 0.0, 0
        while (frame := source.read()) is not None:
            if live:  # read on, or what comes next is old
                if time.monotonic() < due_s:
                    continue
                due_s = time.monotonic() + 1 / fps
            elif number < due:
                number += 1
                continue
            due += step
            number += 1
            yield frame
