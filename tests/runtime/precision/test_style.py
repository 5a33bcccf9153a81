"""StyleGAN2 styles divided by their largest entry: the same picture, small values."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from precision_kit import model, node, run

from edged.errors import EngineError
from edged.runtime.precision.ranges import measure
from edged.runtime.precision.style import style_candidates, styled

FLOAT = TensorProto.FLOAT
STYLE = "n_style"


def modulated(size: float, *, weights: bool, epsilon: float = 1e-8) -> onnx.ModelProto:
    """One modulated convolution and a ReLU.

    Args:
        size: of the style.
        weights: whether the style scales the weights (as exporters write it, one sample a
            run) or the input (several).
        epsilon: of the demodulation.
    """
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((6, 4, 3, 3)).astype(np.float32)
    constants = {
        "linear": (rng.standard_normal((8, 4)) * size).astype(np.float32),
        "offset": np.full(4, size, np.float32),
        "eps": np.array(epsilon, np.float32),
        "two": np.array(2, np.float32),
        "flat": np.array([6, 4, 3, 3]),
        "axes": np.array([2, 3, 4]),
        "s5": np.array([1, 1, 4, 1, 1]),
        "s4": np.array([-1, 4, 1, 1]),
        "d5": np.array([1, 6, 1, 1, 1]),
        "d4": np.array([-1, 6, 1, 1]),
    }
    style = node("Gemm", ["latent", "linear", "offset"], ["style"])
    if weights:
        constants["w"] = kernel[None]
        nodes = [
            style,
            node("Reshape", ["style", "s5"], ["s"]),
            node("Mul", ["w", "s"], ["ws"]),
            node("Pow", ["ws", "two"], ["squares"]),
            node("ReduceSum", ["squares", "axes"], ["power"], keepdims=0),
            node("Add", ["power", "eps"], ["safe"]),
            node("Sqrt", ["safe"], ["root"]),
            node("Reciprocal", ["root"], ["inverse"]),
            node("Reshape", ["inverse", "d5"], ["d"]),
            node("Mul", ["ws", "d"], ["wd"]),
            node("Reshape", ["wd", "flat"], ["k"]),
            node("Conv", ["x", "k"], ["mixed"], pads=[1] * 4),
            node("Relu", ["mixed"], ["y"]),
        ]
        faces: int | str = 1
    else:
        constants["w"] = kernel
        constants["q"] = np.square(kernel).sum((2, 3)).T.copy()
        nodes = [
            style,
            node("Reshape", ["style", "s4"], ["s"]),
            node("Mul", ["x", "s"], ["xs"]),
            node("Conv", ["xs", "w"], ["loud"], pads=[1] * 4),
            node("Mul", ["style", "style"], ["squares"]),
            node("MatMul", ["squares", "q"], ["power"]),
            node("Add", ["power", "eps"], ["safe"]),
            node("Sqrt", ["safe"], ["root"]),
            node("Reshape", ["root", "d4"], ["d"]),
            node("Div", ["loud", "d"], ["mixed"]),
            node("Relu", ["mixed"], ["y"]),
        ]
        faces = "n"
    inputs = {"x": (FLOAT, [faces, 4, 5, 5]), "latent": (FLOAT, [faces, 8])}
    used = {name for one in nodes for name in one.input}
    kept = {name: value for name, value in constants.items() if name in used}
    return model(nodes, inputs, {"y": (FLOAT, [faces, 6, 5, 5])}, kept)


def feeds(count: int, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.standard_normal((count, 4, 5, 5)).astype(np.float32),
        "latent": rng.standard_normal((count, 8)).astype(np.float32),
    }


@pytest.mark.parametrize("weights", [True, False])
def test_a_style_is_found_by_what_is_done_with_it(weights: bool) -> None:
    """Both ways of writing a modulated convolution; nothing else is taken for a style."""
    assert list(style_candidates(modulated(1.0, weights=weights))) == [STYLE]


@settings(max_examples=25, deadline=None)
@given(size=st.sampled_from([1e-3, 1.0, 3e3, 1e5]), weights=st.booleans(), seed=st.integers(0, 99))
def test_the_result_is_the_same_at_any_size(size: float, weights: bool, seed: int) -> None:
    """Demodulation cancels the divisor, sample by sample."""
    source = modulated(size, weights=weights)
    made = styled(source, [STYLE])
    onnx.checker.check_model(made, full_check=True)
    some = feeds(1 if weights else 3, seed)
    assert np.allclose(run(made, some)["y"], run(source, some)["y"], rtol=1e-4, atol=1e-5)


def test_epsilon_is_rescaled_too() -> None:
    """With an epsilon as large as the power a forgotten one would show."""
    source = modulated(3.0, weights=False, epsilon=500.0)
    some = feeds(3)
    given_ = run(styled(source, [STYLE]), some)["y"]
    assert np.allclose(given_, run(source, some)["y"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weights", [True, False])
def test_values_no_longer_grow_with_the_style(weights: bool) -> None:
    """Squares, their sum and the modulated values stay below FP16's range."""
    some = feeds(1)
    large = modulated(2e4, weights=weights)
    before, after = measure(large, [some]).peaks, measure(styled(large, [STYLE]), [some]).peaks
    watched = ["squares", "power", "ws"] if weights else ["squares", "power", "xs", "loud"]
    assert max(before[name] for name in watched) > 65504
    assert max(after[name] for name in watched) < 500


def test_a_style_of_zeros_stays_finite() -> None:
    """The divisor has a floor."""
    source = modulated(0.0, weights=False)
    assert np.isfinite(run(styled(source, [STYLE]), feeds(2))["y"]).all()


def test_a_linear_layer_whose_size_matters_is_no_style() -> None:
    """Without the demodulation nothing cancels the divisor."""
    nodes = [
        node("Gemm", ["latent", "linear"], ["style"]),
        node("Reshape", ["style", "s4"], ["s"]),
        node("Mul", ["x", "s"], ["y"]),
    ]
    constants = {"linear": np.ones((8, 4), np.float32), "s4": np.array([1, 4, 1, 1])}
    inputs = {"x": (FLOAT, [1, 4, 5, 5]), "latent": (FLOAT, [1, 8])}
    source = model(nodes, inputs, {"y": (FLOAT, [1, 4, 5, 5])}, constants)
    assert not style_candidates(source)
    with pytest.raises(EngineError, match="n_style"):
        styled(source, ["n_style"])
