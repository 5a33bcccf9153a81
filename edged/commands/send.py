"""`edged send`: photos in, verdicts and pictures back.

Thin: reads files, asks the engine through :class:`FrameClient`, prints.  Knows no
configuration; without `--endpoint` it speaks to this machine's engine.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import cv2
import msgspec
import numpy as np
import typer

from edged.commands.options import CurveKey, ServerKey, curve_of
from edged.errors import FrameError, OperatorError
from edged.faces import Image
from edged.transport.client import Answer, FrameClient
from edged.transport.jpeg import SOI
from edged.transport.png import SIGNATURE
from edged.transport.wire import ConsentEntry
from edged.verdicts import SENTENCES, Reason, Verdict

_GOOD = (Verdict.QUEUED, Verdict.SHOWN)
_CONNECT_S = 3.0
"""A person who forgot to start the engine is told so soon."""
_PAUSE_S = 0.25
"""Between attempts while the engine says that we are too fast."""


def send(  # noqa: PLR0917  # typer gives them by name
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos: JPEG, PNG, or what OpenCV reads.", exists=True, dir_okay=False
        ),
    ],
    scene: Annotated[
        str | None, typer.Option("--scene", "-s", help="Scene; the camera's own if left out.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option("--camera", "-C", help="Camera that the photos count for.")
    ] = None,
    consent: Annotated[
        list[str] | None,
        typer.Option(
            "--consent",
            help="Consent reference; repeat it, one for each person. `REF@X1,Y1,X2,Y2` says "
            "where the person's face is in the photo, in pixels, and `REF@X,Y` names a point "
            "on it.",
            metavar="REF[@BOX]",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the picture here: a file, or a folder for many."),
    ] = None,
    want: Annotated[
        str, typer.Option(help="What to ask for: `verdict` or `image` (which -o implies).")
    ] = "verdict",
    shot_id: Annotated[
        str | None,
        typer.Option("--id", help="UUID of the shot; sending it again gives its first verdict."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a photo.")] = False,
    endpoint: Annotated[
        str | None, typer.Option(help="ZeroMQ endpoint of the engine; this machine's if left out.")
    ] = None,
    curve_key: CurveKey = None,
    server_key: ServerKey = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for each answer.", min=0.1)
    ] = 60.0,
) -> None:
    """Send photos to the engine as shots and show what became of each."""
    if want not in ("verdict", "image"):
        raise typer.BadParameter("is `verdict` or `image`", param_hint="--want")
    if shot_id is not None and len(photos) > 1:
        raise typer.BadParameter("names one shot, so it takes one photo", param_hint="--id")
    entries = [_entry(text) for text in consent or []]
    all_good = True
    keys = curve_of(curve_key, server_key)
    with FrameClient(
        endpoint, timeout_s=timeout_s, connect_timeout_s=_CONNECT_S, curve=keys
    ) as client:
        for photo in photos:
            answer = _ask(
                client,
                read_photo(photo),
                scene=scene,
                camera=camera,
                consent=entries,
                shot=shot_id,
                image=want == "image" or out is not None,
                timeout_s=timeout_s,
            )
            saved = None
            if out is not None and answer.picture is not None:
                saved = _save(answer.picture, out, photo, several=len(photos) > 1)
            typer.echo(_line(photo, answer, saved, as_json=as_json))
            all_good = all_good and answer.verdict.verdict in _GOOD
    if not all_good:
        raise typer.Exit(FrameError.exit_code)


def read_photo(path: Path) -> bytes | Image:
    """A photo as the engine takes it: JPEG and PNG as they are, others decoded.

    Raises:
        FrameError: it is no picture that OpenCV reads.
        OperatorError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror}): check the path") from error
    if data.startswith((SOI, SIGNATURE)):
        return data
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise FrameError(
            Reason.BAD_IMAGE, f"{path} is no picture that OpenCV reads: convert it to JPEG"
        )
    return np.ascontiguousarray(image, np.uint8)


def _ask(
    client: FrameClient,
    picture: bytes | Image,
    *,
    scene: str | None,
    camera: str | None,
    consent: list[ConsentEntry],
    shot: str | None,
    image: bool,
    timeout_s: float,
) -> Answer:
    """The answer to one shot; waits when the engine says that we are too fast."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = client.send_shot(
            picture,
            camera=camera,
            scene=scene,
            consent=consent,
            shot=shot,
            want="image" if image else "verdict",
        )
        if answer.verdict.reason != Reason.RATE_LIMITED or time.monotonic() > deadline:
            return answer
        time.sleep(_PAUSE_S)


def _entry(text: str) -> ConsentEntry:
    """A consent of the command line: a reference, perhaps with a box or a point."""
    ref, at, place = text.partition("@")
    try:
        numbers = [float(number) for number in place.split(",")] if at else []
        given: dict[str, object] = {"ref": ref}
        if at:
            given[{2: "point_px", 4: "box_px"}[len(numbers)]] = numbers
        entry = msgspec.convert(given, ConsentEntry)
    except (ValueError, KeyError):
        entry = None
    if entry is None or not entry.sound:
        raise typer.BadParameter(
            f"{text!r} is not REF, REF@X,Y or REF@X1,Y1,X2,Y2: a reference has 1 to 64 of "
            "A-Z, a-z, 0-9, '-' and '_', a box its left upper corner first",
            param_hint="--consent",
        )
    return entry


def _save(picture: bytes, out: Path, photo: Path, *, several: bool) -> Path:
    path = out / f"{photo.stem}.jpg" if several or out.is_dir() else out
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be written ({error.strerror}): choose another with -o"
        ) from error
    return path


def _line(photo: Path, answer: Answer, saved: Path | None, *, as_json: bool) -> str:
    verdict = answer.verdict
    if as_json:
        record = {"photo": str(photo), **msgspec.to_builtins(verdict)}
        if saved is not None:
            record["saved"] = str(saved)
        return json.dumps(record)
    said = verdict.text or SENTENCES[verdict.reason]
    line = f"{photo.name}: {verdict.verdict.value} ({verdict.reason.value}): {said}"
    if verdict.id:
        line += f" [{verdict.id}]"
    if saved is not None:
        line += f" -> {saved}"
    elif answer.verdict.verdict in _GOOD and verdict.latency_ms:
        line += f" {verdict.latency_ms:.0f} ms"
    return line
