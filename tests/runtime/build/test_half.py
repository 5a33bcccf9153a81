"""Half precision comes from a plan that is for this very model, or it does not come."""

from __future__ import annotations

import hashlib

import msgspec
import onnx
import pytest

from edged.bench import synthetic
from edged.errors import EngineError
from edged.recipe import load_recipe
from edged.runtime.build.make import Order, make
from edged.runtime.build.store import Found, Missing
from edged.runtime.build.subject import Model
from edged.runtime.precision.plan import PrecisionPlan, write_plan


@pytest.fixture
def half(model):
    """The same model, whose recipe asks for a plan."""
    precision = msgspec.structs.replace(model.recipe.precision, half="plan")
    recipe = msgspec.structs.replace(model.recipe, precision=precision)
    return Model(recipe, model.path, model.sha256, model.calibration)


@pytest.fixture
def planned(half, store):
    """Writes a plan with these fields; gives the model."""

    def write(**fields):
        graph = store.subject(half).graph
        plan = PrecisionPlan(
            **{"recipe": half.id, "model_sha256": half.sha256, "structure_digest": graph, **fields}
        )
        write_plan(plan, half.calibration / "precision" / f"{half.id}.toml")
        return half

    return write


def test_a_plan_makes_the_engine_half(planned, store, fake):
    """Weights are FP16, and FP32's outputs are the measure all the same."""
    paper = make(store, Order(planned(), fake()))
    assert (paper.status, paper.precision) == ("accepted", "fp16")
    assert paper.depends.plan
    assert paper.depends.source != paper.depends.graph
    assert 0.9995 <= paper.verdict.figures["cosine"] < 1.0
    engine = onnx.load(store.home(paper.model) / paper.depends.key / "model.onnx")
    kinds = {weight.data_type for weight in engine.graph.initializer if len(weight.dims) > 1}
    assert kinds == {onnx.TensorProto.FLOAT16}


def test_without_a_plan_it_is_fp32_and_says_so(half, store, fake):
    """The manifest names the command that makes a plan; demanding FP16 fails with it."""
    paper = make(store, Order(half, fake()))
    assert paper.precision == "fp32"
    assert "edged calibrate precision w600k_r50" in paper.precision_note
    with pytest.raises(EngineError, match=r"edged calibrate precision w600k_r50"):
        make(store, Order(half, fake(), half=True))


@pytest.mark.parametrize("field", ["model_sha256", "structure_digest"])
def test_a_plan_of_another_model_or_graph_is_not_used(planned, store, fake, field):
    """FP32, with the reason; never half precision by somebody else's measurements."""
    paper = make(store, Order(planned(**{field: "0" * 64}), fake()))
    assert (paper.precision, paper.depends.plan) == ("fp32", "")
    assert "measured on another" in paper.precision_note


def test_a_new_plan_makes_the_engine_stale(planned, half, store, fake):
    """Another keep-list is another engine; the old one is not loaded."""
    make(store, Order(planned(), fake()))
    node = onnx.load(half.path).graph.node[-1]
    planned(fp32_nodes=(node.name or node.output[0],))
    missing = store.best(half, fake())
    assert isinstance(missing, Missing)
    assert any(text.startswith("built for precision plan") for text in missing.differs)


def test_a_plan_measured_anew_with_the_same_result_keeps_the_engine(planned, store, fake):
    """Figures and dates of a plan shape nothing."""
    make(store, Order(planned(), fake()))
    file = planned().calibration / "precision" / "w600k_r50.toml"
    file.write_text(file.read_text() + "\n# measured again\n")
    assert isinstance(store.best(planned(), fake()), Found)


def test_an_engine_that_overflows_in_half_precision_is_rejected(store, fake, tmp_path):
    """A plan that keeps nothing in FP32, on a runtime that rounds like a GPU: garbage faces."""
    path = tmp_path / "inswapper_128.onnx"
    network = synthetic.build("inswapper_128", width=0.05)
    path.write_bytes(network.SerializeToString(deterministic=True))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    swapper = Model(load_recipe("inswapper_128"), path, sha256, tmp_path / "calibration")
    graph = store.subject(swapper).graph
    plan = PrecisionPlan(recipe=swapper.id, model_sha256=sha256, structure_digest=graph)
    write_plan(plan, swapper.calibration / "precision" / f"{swapper.id}.toml")
    paper = make(store, Order(swapper, fake(build="round")))
    assert (paper.status, paper.precision) == ("rejected", "fp16")
    assert "not finite" in paper.verdict.reason or paper.verdict.figures["psnr_db"] < 25
    assert isinstance(store.best(swapper, fake()), Missing)
