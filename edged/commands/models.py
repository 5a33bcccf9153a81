"""`edged models`: what there is, get it, take a file in, look whether it is still right.

Asks a person about licences and about hashes that no source gives; without a terminal the
answers are options.  Knows the terminal; files and downloads are :mod:`edged.store`'s.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from edged.builtin.pack import PACK_VERSION, write_pack
from edged.commands.model_views import model_data, models_table
from edged.commands.options import ConfigFile, Json
from edged.commands.packs import Packs
from edged.config import ModelsTable, default_path, load, state_folder
from edged.errors import ModelError
from edged.hashes import file_sha256
from edged.recipe import Recipe, list_packs, list_recipes, with_converters
from edged.runtime.graph.load import load_prepared
from edged.store import ModelStatus, ModelStore, pull

app = typer.Typer(no_args_is_help=True, help="List, download, import and verify models.")

Ids = Annotated[
    list[str] | None, typer.Argument(help="Models or packs; default: those that are configured.")
]
Accepted = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-licence", metavar="ID", help="The terms of this model or pack fit our use."
    ),
]
Trusted = Annotated[
    list[str] | None,
    typer.Option("--trust", metavar="SHA256", help="A file with this hash is the right one."),
]


@dataclass(frozen=True)
class _Desk:
    """What all commands need: settings, store, and the ids that are configured."""

    settings: ModelsTable
    store: ModelStore
    packs: Packs
    console: Console

    @staticmethod
    def open(config: Path | None) -> _Desk:
        """From a configuration; without one, from the defaults."""
        path = config or default_path()
        if config or path.exists():
            settings = load(path).models
        else:
            settings = ModelsTable(folder=state_folder().absolute() / "models")
        recipes = list_recipes(settings.recipes)
        store = ModelStore(settings.folder, recipes, inspect=_contract)
        packs = Packs(list_packs(recipes, settings.recipes), store)
        return _Desk(settings, store, packs, Console(stderr=True, highlight=False))

    @property
    def used(self) -> tuple[str, ...]:
        """Ids of the models that are configured, with the converters that they need."""
        return with_converters(self.settings.used, self.store.recipes)

    def agree(self, recipe: Recipe, accepted: Iterable[str]) -> None:
        """Licence of a model: free, accepted, or asked about.

        Raises:
            ModelError: not accepted.
        """
        licence = recipe.licence
        if recipe.free or recipe.id in (*self.settings.accept_licence, *accepted):
            return
        self.console.print(f"{recipe.id}: {recipe.title}", markup=False)
        self.console.print(f"  licence: {licence.name} ({licence.vendor})", markup=False)
        for line in (licence.note, licence.contact and f"Other terms: {licence.contact}"):
            if line:
                self.console.print(f"  {line}", markup=False)
        if not self.ask("Do these terms fit your use?"):
            raise ModelError(
                f'model {recipe.id}: its licence was not accepted; put "{recipe.id}" into '
                f"models.accept_licence of the configuration, or say --accept-licence {recipe.id}"
            )

    def trust(self, hashes: Iterable[str]) -> Callable[[Recipe, str], bool]:
        """How to decide about a file without a pinned hash."""
        known = {text.lower() for text in hashes}

        def decide(recipe: Recipe, sha256: str) -> bool:
            if sha256 in known:
                return True
            self.console.print(
                f"{recipe.id}: no source gives a hash of this file. It has SHA-256\n  {sha256}\n"
                "Compare it with a source that you trust.",
                markup=False,
            )
            if self.ask("Is it the right one?"):
                return True
            self.console.print(f"To take it later: --trust {sha256}", markup=False)
            return False

        return decide

    def data(self, state: ModelStatus) -> dict[str, Any]:
        """One model for scripts."""
        configured = state.id in self.used
        return model_data(self.store.recipes[state.id], state, configured, self.packs.of(state.id))

    def ask(self, question: str) -> bool:
        """A person's answer; no where there is no person."""
        return sys.stdin.isatty() and typer.confirm(question, default=False, err=True)


@app.command("list")
def list_models(config: ConfigFile = None, *, as_json: Json = False) -> None:
    """Show every model: what it is, whether it is here, and its terms."""
    desk = _Desk.open(config)
    states = {model_id: desk.store.status(model_id) for model_id in desk.store.recipes}
    if as_json:
        rows = [desk.data(state) for state in states.values()]
        typer.echo(json.dumps(rows + desk.packs.data()))
        return
    screen = Console(highlight=False, markup=False)
    screen.print(models_table(screen, desk.store.recipes, states, desk.used))
    screen.print()
    screen.print(desk.packs.table())
    typer.echo(f"\n* configured   folder: {desk.store.folder}")


@app.command("pull")
def pull_models(
    model_ids: Ids = None,
    *,
    config: ConfigFile = None,
    mirror: Annotated[str, typer.Option(help="https:// or file:// folder to take from.")] = "",
    accept_licence: Accepted = None,
    trust: Trusted = None,
    as_json: Json = False,
) -> None:
    """Download models; what was begun is continued, what is here is not fetched again."""
    desk = _Desk.open(config)
    wanted = desk.packs.members(model_ids or desk.used)
    accepted = desk.packs.members(accept_licence or ())
    recipes = [desk.store.recipe(model_id) for model_id in wanted]
    for recipe in recipes:
        desk.agree(recipe, accepted)
    if any(recipe.builtin for recipe in recipes):
        desk.store.ensure_builtin(write_pack, PACK_VERSION)
    with _bars(desk.console) as on_start:
        done = pull(
            desk.store,
            wanted,
            trust=desk.trust(trust or ()),
            on_start=on_start,
            mirror=mirror or desk.settings.mirror,
            packs=desk.packs.named(model_ids or ()),
        )
    for pack in desk.packs.named(model_ids or ()):
        for file, why in pack.left_out.items():
            desk.console.print(f"{pack.id}: {file} was left out: {why}", markup=False)
    _report(desk, done, as_json=as_json)


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A model file.")],
    *,
    model_id: Annotated[
        str, typer.Option("--as", metavar="ID", help="Default: told by its hash or its name.")
    ] = "",
    config: ConfigFile = None,
    accept_licence: Accepted = None,
    trust: Trusted = None,
    as_json: Json = False,
) -> None:
    """Copy a model file that you have into the model folder, if it is the right one."""
    desk = _Desk.open(config)
    recipe = desk.store.recipe(model_id or _recognise(desk.store, file))
    desk.agree(recipe, accept_licence or ())
    done = desk.store.import_file(recipe.id, file, desk.trust(trust or ()))
    _report(desk, [done], as_json=as_json)


@app.command()
def verify(model_ids: Ids = None, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Read every file that is here and compare its hash; exit code 66 if one is wrong."""
    desk = _Desk.open(config)
    named = desk.packs.members(model_ids or ())
    needed = set(named or desk.used)
    wanted = named or tuple(desk.store.recipes)
    states = [desk.store.verify(model_id) for model_id in wanted]
    _report(desk, [s for s in states if s.id in needed or s.state != "absent"], as_json=as_json)
    bad = [s.id for s in states if s.state == "damaged" or (s.id in needed and s.state == "absent")]
    if bad:
        raise ModelError(f"not right or not here: {', '.join(bad)}")


def _contract(recipe: Recipe, file: Path) -> None:
    """Refuse a file that is no network of its recipe's family."""
    load_prepared(file, recipe)


def _recognise(store: ModelStore, file: Path) -> str:
    """Which model a file is: by its hash, else by its name.

    Raises:
        ModelError: neither tells.
    """
    found = file_sha256(file)
    recipes = store.recipes.values()
    for recipe in recipes:
        if found == recipe.sha256 or found in recipe.known_sha256:
            return recipe.id
    for recipe in recipes:
        if recipe.file == file.name and not recipe.builtin:
            return recipe.id
    raise ModelError(f"{file}: neither hash nor name is known; say which model it is with --as ID")


@contextmanager
def _bars(console: Console) -> Iterator[Callable[[Recipe, str], Callable[[int, int], None]]]:
    """One progress bar for each file that begins to come."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bars:

        def on_start(recipe: Recipe, server: str) -> Callable[[int, int], None]:
            task = bars.add_task(f"{recipe.id} from {server}", total=None)
            return lambda done, total: bars.update(task, completed=done, total=total or None)

        yield on_start


def _report(desk: _Desk, states: list[ModelStatus], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([desk.data(state) for state in states]))
        return
    for state in states:
        tail = state.detail or state.sha256
        typer.echo(f"{state.id}: {state.state}{': ' + tail if tail else ''}")
