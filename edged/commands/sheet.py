"""`edged sheet`: before and after of every scene, mask, colour and restorer, to look at.

Thin: picture files in, one sheet a photo out.  Cameras, streams and videos are not taken:
a sheet shows raw faces, so it is made of pictures that a person named one by one.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edged.commands.engine_progress import shown_progress
from edged.commands.options import ConfigFile, Json
from edged.errors import ConfigError, OperatorError

_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_LARGEST_PX = 2560


def sheet(  # noqa: PLR0917 - typer gives them by name
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Picture files.")],
    scene: Annotated[
        list[str] | None,
        typer.Option("--scene", "-s", help="Scene to show; repeat it; all if left out."),
    ] = None,
    faces: Annotated[
        int, typer.Option(min=1, max=10, help="Faces to show close, the largest first.")
    ] = 2,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the sheets.")] = Path(
        "sheets"
    ),
    jpeg: Annotated[bool, typer.Option("--jpeg", help="JPEG instead of PNG: smaller.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Make a contact sheet of each photo: every scene, mask, colour and restorer side by side.

    A sheet shows raw faces: keep it or delete it, never publish it.  Only its owner can read
    the file.  Nothing is sent anywhere.
    """
    for photo in photos:
        if photo.suffix.lower() not in _SUFFIXES or not photo.is_file():
            raise ConfigError(
                f"{photo}: not a picture file; a sheet is made of pictures that you name one by "
                "one, not of cameras, videos or folders"
            )
    if find_spec("PIL") is None:
        raise OperatorError("sheets need Pillow: pip install 'edged[demo]'")
    # Heavy modules after the options are known to be right.
    from edged.commands.configured import configured  # noqa: PLC0415
    from edged.daemon.pictures import read_picture, shrunk  # noqa: PLC0415
    from edged.sheets.layout import WARNING, draw, save  # noqa: PLC0415
    from edged.sheets.proofs import Proofs  # noqa: PLC0415

    settings, origin = configured(config)
    for name in scene or []:
        if name not in settings.scenes:
            raise ConfigError(f"--scene {name!r}: known scenes: {', '.join(settings.scenes)}")
    models = settings.models
    footer = f"{origin} | swapper {models.swapper}, restorer {models.restorer or 'none'}"
    console = Console(stderr=True, highlight=False)
    written: list[str] = []
    with (
        shown_progress(console, 1) as begin,
        begin("sheet") as tell,
        Proofs(settings, tuple(scene or ()), tell) as proofs,
    ):
        for photo, path in zip(photos, _paths(photos, out, jpeg=jpeg), strict=True):
            image = shrunk(read_picture(photo, "PHOTO"), _LARGEST_PX)
            drawn = draw(image, photo.name, proofs.of(image, photo.name), faces, footer)
            try:
                save(drawn, path)
            except OSError as error:
                raise OperatorError(
                    f"{path}: cannot be written: {error.strerror}; say --out FOLDER"
                ) from error
            written.append(str(path))
    if as_json:
        typer.echo(json.dumps({"sheets": written, "variants": [v.key for v in proofs.variants]}))
        return
    typer.echo("\n".join(written))
    typer.echo(WARNING)


def _paths(photos: list[Path], out: Path, *, jpeg: bool) -> list[Path]:
    """A name for each sheet; photos of one name in two folders get numbers."""
    suffix, taken = ".jpg" if jpeg else ".png", set[str]()
    paths = []
    for photo in photos:
        name, number = f"{photo.stem}-sheet", 2
        while name in taken:
            name, number = f"{photo.stem}-{number}-sheet", number + 1
        taken.add(name)
        paths.append(out / f"{name}{suffix}")
    return paths
