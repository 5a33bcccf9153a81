"""Prepares a graph in memory and runs it, for tests of graph surgery and of stages."""

from __future__ import annotations

from contextlib import contextmanager

import onnx

from edged.recipe import load_recipe
from edged.runtime.graph.load import prepared_bytes
from edged.runtime.graph.prepare import prepare
from edged.runtime.onnx import OnnxSession


def prepared(model, recipe_id, **options):
    """A public model's graph by the shipped recipe, as `Prepared`."""
    recipe = load_recipe(recipe_id)
    return prepare(
        model, model_id=recipe_id, family=recipe.family, contract=recipe.contract, **options
    )


def session_of(model):
    """A session on a graph in memory, not yet entered."""
    return OnnxSession(model.SerializeToString(), model_id="m", threads=1)


@contextmanager
def running(model, recipe_id, **options):
    """The entered session of a prepared public model."""
    with session_of(prepared(model, recipe_id, **options).model) as session:
        yield session


def run(session, **feeds):
    """Outputs by name."""
    out = session.run(feeds)
    return {spec.name: value for spec, value in zip(session.outputs, out, strict=True)}


def of_file(path, recipe_id, model_id="m"):
    """A session on a public file by a shipped recipe, not yet entered."""
    graph = prepared_bytes(path, load_recipe(recipe_id))
    return OnnxSession(graph, model_id=model_id, threads=1)


def at_opset(file, opset):
    """The stand-in in an older or newer version: its operators are spelled alike from 11 to 17."""
    if opset > 17:
        return onnx.version_converter.convert_version(file, opset)
    file.opset_import[0].version = opset
    onnx.checker.check_model(file, full_check=True)
    return file
