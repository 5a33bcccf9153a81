"""`edged config`: write, check and show the configuration.

Knows the terminal; what a configuration is and what can be wrong with it is known in
:mod:`edged.config`.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from edged.config import BUILTIN_PHOTO, Config, default_path, load, missing_files, warnings
from edged.config.effective import as_toml, effective
from edged.config.reference import reference as reference_text
from edged.config.starter import starter
from edged.daemon.pictures import builtin_character, builtin_poster, read_picture
from edged.errors import ConfigError, OperatorError

app = typer.Typer(no_args_is_help=True, help="Write, check and show the configuration.")

File = Annotated[
    Path | None,
    typer.Argument(metavar="[PATH]", help="The file; $EDGED_CONFIG, ./edged.toml or /etc/edged."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("edged.toml"),
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file.")] = False,
) -> None:
    """Write a commented file that runs as it is."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(starter(socket.gethostname()))
    except FileExistsError as error:
        raise ConfigError(f"{path}: is there already; --force overwrites it") from error
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written: {error.strerror}") from error
    typer.echo(f"{path} is written. Next: look at (1) to (5) in it, then `edged run`.")


@app.command()
def check(path: File = None, *, as_json: Json = False) -> None:
    """Say everything that is wrong, at once; exit code 78 if anything is."""
    path = path or default_path()
    problems: list[str] = []
    notes: list[str] = []
    digest = ""
    try:
        config = load(path)
        digest, notes = config.digest, warnings(config)
        problems = missing_files(config) or _bad_pictures(config)
    except ConfigError as error:
        problems = list(error.problems)
    if as_json:
        found = {"path": str(path), "ok": not problems, "problems": problems}
        typer.echo(json.dumps({**found, "warnings": notes, "digest": digest}))
    else:
        for note in notes:
            typer.echo(f"note: {note}")
        for problem in problems:
            typer.echo(problem, err=True)
        typer.echo(f"{path}: {_verdict(len(problems))}", err=bool(problems))
    if problems:
        raise typer.Exit(ConfigError.exit_code)


@app.command()
def show(path: File = None, *, as_json: Json = False) -> None:
    """Print what is in force: every key with its default filled in, logins masked."""
    shown: dict[str, Any] = effective(load(path or default_path()))
    typer.echo(json.dumps(shown) if as_json else as_toml(shown), nl=as_json)


@app.command()
def reference() -> None:
    """Print every key, its default and its meaning as Markdown."""
    typer.echo(reference_text(), nl=False)


def _bad_pictures(config: Config) -> list[str]:
    """Pictures that the engine could not use, found as the engine finds them."""
    named: list[tuple[str, str, Callable[[str], object]]] = [
        (f"identities.{name}.{key}[{i}]", photo, builtin_character)
        for name, identity in config.identities.items()
        for key in ("photos", "worn_by")
        for i, photo in enumerate(getattr(identity, key))
    ]
    named += [
        (f"scenes.{name}.template", scene.template, builtin_poster)
        for name, scene in config.scenes.items()
        if scene.template
    ]
    return [line for one in named for line in _bad_picture(*one)]


def _bad_picture(where: str, picture: str, draw: Callable[[str], object]) -> tuple[str, ...]:
    try:
        if picture.startswith(BUILTIN_PHOTO):
            draw(picture.removeprefix(BUILTIN_PHOTO))
        else:
            read_picture(Path(picture), where)
    except ConfigError as error:
        return tuple(p if p.startswith(where) else f"{where}: {p}" for p in error.problems)
    return ()


def _verdict(problems: int) -> str:
    if not problems:
        return "good"
    return "1 problem" if problems == 1 else f"{problems} problems"
