"""A public file on the CPU: prepared in memory, and batched only where that was proven."""

from __future__ import annotations

from functools import partial

import onnx
import pytest

from edged.bench.standins import detector, restorers, swapper
from edged.errors import ModelError
from edged.onnx_writer import Graph
from edged.recipe import load_recipe
from edged.runtime import cpu
from edged.runtime.cpu import open_on_cpu
from edged.runtime.graph.proof import prove_batch
from edged.runtime.session import Meter


def opened(tmp_path, model, recipe_id, **options):
    path = tmp_path / "m.onnx"
    onnx.save(model, str(path))
    return open_on_cpu(path, load_recipe(recipe_id), threads=1, **options)


def test_a_small_file_takes_faces_together(tmp_path):
    """Fixed at one in the file, open in the session."""
    with opened(tmp_path, swapper.build(), "inswapper_128") as session:
        assert session.inputs[0].shape == (None, 128, 128, 3)
        assert session.model_id == "inswapper_128"


def test_a_large_file_is_run_face_by_face(tmp_path, monkeypatch):
    """Where a batch gains nothing, no start is spent on proving it."""
    monkeypatch.setattr(cpu, "TOGETHER_UP_TO_BYTES", 1000)
    meter = Meter()
    with opened(tmp_path, swapper.build(), "inswapper_128", meter=meter) as session:
        assert session.inputs[0].shape[0] == 1
    assert meter.runs == 0


def test_a_graph_whose_batch_fails_the_proof_is_run_face_by_face(tmp_path, monkeypatch, caplog):
    """What reasoning let through and looking did not is warned of and not used."""
    monkeypatch.setattr(cpu, "prove_batch", partial(prove_batch, peak_levels=-1.0))
    with opened(tmp_path, restorers.build("gpen_bfr_512"), "gpen_bfr_512") as session:
        assert session.inputs[0].shape[0] == 1
    assert "mixes faces up" in caplog.text


def test_a_detector_needs_no_proof(tmp_path):
    """It takes one picture."""
    meter = Meter()
    with opened(tmp_path, detector.scrfd(), "det_10g", meter=meter) as session:
        assert session.inputs[0].shape == (1, None, None, 3)
    assert meter.runs == 0


def test_an_absent_file_is_named_with_the_command_that_fetches_it(tmp_path):
    """As for every model."""
    with (
        pytest.raises(ModelError, match=r"gone\.onnx.*edged models pull det_10g"),
        open_on_cpu(tmp_path / "gone.onnx", load_recipe("det_10g")),
    ):
        pass


def test_a_file_that_is_not_what_its_recipe_says_is_refused(tmp_path):
    """At the start, not at the first frame."""
    graph = Graph()
    graph.op("Identity", "x", to="y")
    other = graph.model("m", {"x": (1, 2)}, {"y": (1, 2)})
    with (
        pytest.raises(ModelError, match="0 picture inputs"),
        opened(tmp_path, other, "w600k_r50"),
    ):
        pass
