"""CodeFormer's transformer over the 256 places of a code, as PyTorch exports it.

Pre-norm layers; layer norm, GELU and attention taken apart into plain operators; tensors
are (places, 1, features).  Knows no convolution.
"""

from __future__ import annotations

import numpy as np

from edged.bench.synthetic.net import Net

PLACES = 256
LAYERS = 9
HEADS = 8
EPSILON = 1e-5
_GELU_GAIN = 1.5
_BRANCH = 0.2
"""What each half of a layer adds to tokens of about 1: little, since attention adds the same
to all of them, and what tells two places apart would drown in it."""


def write(net: Net, tokens: str, width: int, hidden: int) -> str:
    """Nine layers over (256, 1, width); a position is added to query and key of each."""
    drawn = net.normal("position", (PLACES, 1, width), 0.5)
    position = net.constant(drawn, "position")
    for number in range(LAYERS):
        to = f"transformer.{number}"
        normed = layer_norm(net, tokens, f"{to}.norm1", width)
        placed = net.op("Add", normed, position)
        mixed = _attention(net, placed, normed, f"{to}.attn", width)
        tokens = net.op("Add", tokens, mixed)
        normed = layer_norm(net, tokens, f"{to}.norm2", width)
        inner = _gelu(net, dense(net, normed, f"{to}.linear1", (width, hidden), 1.0))
        gain = _GELU_GAIN * _BRANCH
        tokens = net.op("Add", tokens, dense(net, inner, f"{to}.linear2", (hidden, width), gain))
    return tokens


def dense(net: Net, value: str, to: str, extents: tuple[int, int], gain: float) -> str:
    """MatMul and Add; extents are features in and out."""
    weights = net.normal(f"{to}.weight", extents, gain / extents[0] ** 0.5)
    product = net.op("MatMul", value, net.constant(weights, f"{to}.weight"))
    bias = net.normal(f"{to}.bias", (extents[1],), 0.1 * gain)
    return net.op("Add", net.constant(bias, f"{to}.bias"), product)


def layer_norm(net: Net, value: str, to: str, width: int, *, fixed: bool = False) -> str:
    """Over the last axis, taken apart.

    Args:
        net: what it is written to.
        value: what it reads.
        to: stem of the names.
        width: features.
        fixed: whether the first feature comes out as 1 whatever goes in.
    """
    centred = net.op("Sub", value, net.op("ReduceMean", value, axes=[-1]))
    power = net.op("ReduceMean", net.op("Pow", centred, net.constant(2.0)), axes=[-1])
    plain = net.op("Div", centred, net.op("Sqrt", net.moved(power, EPSILON)))
    weights = net.normal(f"{to}.weight", (width,), 0.1, 1.0)
    bias = net.normal(f"{to}.bias", (width,), 0.1)
    if fixed:
        weights[0], bias[0] = 0, 1
    scaled = net.op("Mul", plain, net.constant(weights, f"{to}.weight"))
    return net.op("Add", scaled, net.constant(bias, f"{to}.bias"))


def _attention(net: Net, asking: str, value: str, to: str, width: int) -> str:
    """Multi-head attention over the places."""
    each = width // HEADS
    q, k, v = (
        net.op(
            "Transpose",
            net.reshape(
                dense(net, source, f"{to}.{part}", (width, width), 1.0), [PLACES, HEADS, each]
            ),
            perm=[1, 0, 2],
        )
        for source, part in ((asking, "q"), (asking, "k"), (value, "v"))
    )
    scaled = net.scaled(q, each**-0.5)
    scores = net.op("MatMul", scaled, net.op("Transpose", k, perm=[0, 2, 1]))
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), v)
    joined = net.reshape(net.op("Transpose", mixed, perm=[1, 0, 2]), [PLACES, width])
    out = dense(net, joined, f"{to}.out", (width, width), _BRANCH)
    return net.reshape(out, [PLACES, 1, width])


def _gelu(net: Net, value: str) -> str:
    """GELU: x (1 + erf(x / sqrt 2)) / 2."""
    root = net.op("Div", value, net.constant(float(np.sqrt(2))))
    return net.scaled(net.op("Mul", value, net.moved(net.op("Erf", root), 1.0)), 0.5)
