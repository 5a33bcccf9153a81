"""Per-op rounding on the CPU: it agrees with ONNX's reference, where plain ORT does not."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from precision_kit import crops, half, model, node, norm_net, run

from edged.runtime.precision.rounding import rounded

FLOAT = TensorProto.FLOAT
LEVELS = {
    "off": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def reference(made: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Numpy's float16, each operator rounded."""
    names = [one.name for one in made.graph.output]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(zip(names, ReferenceEvaluator(made).run(None, feeds), strict=True))


def at_level(made: onnx.ModelProto, feeds: dict[str, np.ndarray], level: str) -> dict:
    options = ort.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    options.log_severity_level = 4
    session = ort.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("gain", [1.0, 100.0])
def test_every_optimisation_level_rounds_as_the_reference_does(level: str, gain: float) -> None:
    """No optimiser takes the pairs of casts out; at gain 100 the squares overflow."""
    made = half(norm_net(gain=gain))
    feeds = crops(3)
    given = at_level(rounded(made), feeds, level)
    expected = reference(made, feeds)
    # The order of an FP32 sum may differ, and with it the last FP16 digit of a result.
    assert np.max(np.abs(given["swapped"].astype(int) - expected["swapped"])) <= 1
    assert np.allclose(given["checks"], expected["checks"], atol=2e-3, equal_nan=True)


def test_onnxruntime_alone_is_blind_to_an_overflow_that_the_rounded_graph_shows() -> None:
    """The reason why the rounded graph exists."""
    source = norm_net(gain=100.0)
    made = half(source)
    feeds = crops(4)
    exact = run(source, feeds)["swapped"].astype(int)
    blind = np.abs(run(made, feeds)["swapped"].astype(int) - exact)
    seeing = np.abs(run(rounded(made), feeds)["swapped"].astype(int) - exact)
    assert blind.max() <= 2
    assert seeing.max() > 50


@pytest.mark.parametrize(
    ("kind", "attributes", "largest"),
    [
        ("Exp", {}, 11.0),
        ("Sqrt", {}, 1e4),
        ("Softmax", {"axis": 1}, 100.0),
        ("ReduceSum", {"keepdims": 1}, 3e4),
        ("ReduceMean", {"keepdims": 1, "axes": [1]}, 3e4),
        ("Sigmoid", {}, 10.0),
        ("Reciprocal", {}, 1e3),
        ("Relu", {}, 1e3),
    ],
)
def test_single_operators_round_as_the_reference_does(
    kind: str, attributes: dict, largest: float
) -> None:
    """To one unit in the last place of FP16; overflows at the same entries."""
    out = [4, 1] if kind.startswith("Reduce") else [4, 8]
    inputs = ["x"] if "axes" in attributes or kind != "ReduceSum" else ["x", "axes"]
    source = model(
        [node(kind, inputs, ["a"], **attributes), node("Mul", ["a", "one"], ["y"])],
        {"x": (FLOAT, [4, 8])}, {"y": (FLOAT, out)},
        {"one": np.array(1, np.float32), "axes": np.array([1])},
    )  # fmt: skip
    made = half(source)
    feeds = {"x": np.random.default_rng(1).uniform(0.1, largest, (4, 8)).astype(np.float32)}
    given, expected = run(rounded(made), feeds)["y"], reference(made, feeds)["y"]
    assert np.array_equal(np.isfinite(given), np.isfinite(expected))
    near = np.isfinite(expected)
    assert np.allclose(given[near], expected[near], rtol=2**-10)


@pytest.mark.parametrize("kind", ["InstanceNormalization", "LayerNormalization"])
def test_a_norm_is_taken_apart_and_its_squares_overflow(kind: str) -> None:
    """Pessimistic: values of 300 have squares of 90000; small ones are right."""
    size = 4 if kind == "InstanceNormalization" else 8
    source = model(
        [node(kind, ["x", "s", "b"], ["y"])],
        {"x": (FLOAT, [1, 4, 8])}, {"y": (FLOAT, [1, 4, 8])},
        {"s": np.full(size, 2, np.float32), "b": np.full(size, 0.5, np.float32)},
    )  # fmt: skip
    made = half(source)
    rng = np.random.default_rng(2)
    small = {"x": rng.standard_normal((1, 4, 8)).astype(np.float32)}
    large = {"x": small["x"] * 1000}
    assert np.allclose(run(rounded(made), small)["y"], run(source, small)["y"], atol=0.02)
    assert np.max(np.abs(run(rounded(made), large)["y"] - run(source, large)["y"])) > 0.5


def test_an_fp32_node_neither_rounds_nor_overflows() -> None:
    """What the plan keeps in FP32 is computed in FP32."""
    source = model(
        [node("Mul", ["x", "x"], ["a"]), node("Sqrt", ["a"], ["y"])],
        {"x": (FLOAT, [1, 4])}, {"y": (FLOAT, [1, 4])}, {},
    )  # fmt: skip
    feeds = {"x": np.array([[1000, 2, 3, 4]], np.float32)}
    assert np.isinf(run(rounded(half(source)), feeds)["y"][0, 0])
    kept = run(rounded(half(source, "n_a", "n_y")), feeds)["y"]
    assert np.array_equal(kept, feeds["x"])
