"""The swapper: inswapper's public architecture with random weights.

Encoder (reflect pad, 7 x 7, three 3 x 3 of which two halve), six style blocks of 1024
channels at 32 x 32, decoder (two doublings), tanh to 0..1: 138.5 million parameters and
174.5 billion multiply-adds at width 1.  The instance norm is taken apart as the exporter
writes it.  Knows the contract of the public file.
"""

from __future__ import annotations

import numpy as np
import onnx

from edged.bench.synthetic.calibrate import measure, retune
from edged.bench.synthetic.crops import tensor
from edged.bench.synthetic.net import LEAKY_GAIN, Net
from edged.bench.synthetic.sites import inswapper_sites, of_kind
from edged.faces import Floats

SIZE_PX = 128
LATENT = 512
EPSILON = 1e-8
BLOCKS = 6

PICTURE_STD = 0.5
"""Of the picture before tanh: about 50 grey levels behind it, and 1 % saturated."""

_BRANCH = 0.7
"""Standard deviation that a block adds to a stream of about 1."""

_DEAD_SHARE = 1 / 16


def write(net: Net) -> onnx.ModelProto:
    """The graph, `inswapper_128` by contract."""
    c128, c256, c512, c1024 = (net.channels(real) for real in (128, 256, 512, 1024))
    centred = net.moved(net.scaled("target", 2.0), -1.0)
    value = net.reflect(centred, 3)
    value = net.leaky(net.conv(value, "encoder.0", (c128, 3, 7), pad=0, gain=2.0))
    value = net.leaky(net.conv(value, "encoder.1", (c256, c128, 3), gain=LEAKY_GAIN))
    value = net.leaky(net.conv(value, "encoder.2", (c512, c256, 3), stride=2, gain=LEAKY_GAIN))
    value = net.leaky(net.conv(value, "encoder.3", (c1024, c512, 3), stride=2, gain=LEAKY_GAIN))
    styles = _Styles(net, c1024)
    for block in range(BLOCKS):
        inner = net.op("Relu", styles.layer(value, f"blocks.{block}.conv1", 1.0))
        value = net.op("Add", value, styles.layer(inner, f"blocks.{block}.conv2", _BRANCH))
    calm = LEAKY_GAIN / (1 + BLOCKS * _BRANCH**2) ** 0.5
    value = net.leaky(net.conv(net.resize(value, 2), "decoder.0", (c512, c1024, 3), gain=calm))
    value = net.resize(value, 2)
    value = net.leaky(net.conv(value, "decoder.1", (c256, c512, 3), gain=LEAKY_GAIN))
    value = net.leaky(net.conv(value, "decoder.2", (c128, c256, 3), gain=LEAKY_GAIN))
    last = net.conv(net.reflect(value, 3), "decoder.3", (3, c128, 7), pad=0, bias=0.0)
    bounded = net.moved(net.op("Tanh", last), 1.0)
    net.op("Div", bounded, net.constant(2.0), to="output")
    net.constant(emap(net), "buff2fs")
    picture = (1, 3, SIZE_PX, SIZE_PX)
    return net.model(
        "inswapper_128", {"target": picture, "source": (1, LATENT)}, {"output": picture}
    )


def settle(model: onnx.ModelProto) -> None:
    """Give the picture its mean and spread."""
    feeds = {"target": tensor(SIZE_PX, 0, 0.0, 255.0), "source": latent(0)}
    seen = measure(model, feeds, ["decoder.3"])["decoder.3"]
    retune(model, "decoder.3", PICTURE_STD, seen)


def emap(net: Net) -> Floats:
    """(512, 512), the map from embedding to latent, read by no node: a turn times 3.

    Not 1, so that a host that forgets the norm after it is found out.
    """
    turn, _ = np.linalg.qr(net.normal("buff2fs", (LATENT, LATENT), 1.0).astype(np.float64))
    return (turn * 3).astype(np.float32)


def latent(seed: int) -> Floats:
    """(1, 512) float32 of length 1, as a source face gives."""
    drawn = np.random.default_rng([seed, 3]).standard_normal((1, LATENT))
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


class _Styles:
    """Convolution, instance norm and style; knows the sites."""

    def __init__(self, net: Net, channels: int) -> None:
        sites = inswapper_sites(net.seed)
        self._net = net
        self._channels = channels
        self._large = of_kind(sites, "conv") | of_kind(sites, "squares")
        self._offset = of_kind(sites, "offset")
        self._dead = of_kind(sites, "dead")

    def layer(self, value: str, to: str, gain: float) -> str:
        """One half of a block; the norm takes the convolution's factor back."""
        net, channels = self._net, self._channels
        mixed = self._conv(net.reflect(value, 1), to)
        centred = net.op("Sub", mixed, net.op("ReduceMean", mixed, axes=[2, 3], keepdims=1))
        squares = net.op("Mul", centred, centred, to=f"{to}.squares")
        power = net.op("ReduceMean", squares, axes=[2, 3], keepdims=1)
        normed = net.op("Mul", centred, net.inverse_root(net.moved(power, EPSILON)))
        # Scale 1 +- 0.3 and shift +- 0.3 by the latent, whose length is 1.
        bias = net.normal(f"{to}.style.bias", (2 * channels,), 0.1 * gain)
        bias[:channels] += np.float32(gain)
        style = net.linear("source", f"{to}.style", (2 * channels, LATENT), 0.3 * gain, bias)
        planes = net.reshape(style, [1, 2 * channels, 1, 1])
        axis, middle = net.constant([1]), net.constant([channels])
        scale = net.op("Slice", planes, net.constant([0]), middle, axis)
        shift = net.op("Slice", planes, middle, net.constant([2 * channels]), axis)
        return net.op("Add", net.op("Mul", normed, scale), shift)

    def _conv(self, value: str, to: str) -> str:
        """The convolution with this layer's site in its arrays."""
        net, channels = self._net, self._channels
        factor = self._large.get(to, 1.0)
        shape = (channels, channels, 3, 3)
        weights = net.normal(f"{to}.weight", shape, factor / (channels * 9) ** 0.5)
        spread = self._offset.get(to, 0.3)
        bias = net.normal(f"{to}.bias", (channels,), spread * factor)
        if to in self._dead:
            weights[: max(1, round(channels * _DEAD_SHARE))] = 0
        arrays = (net.constant(weights, f"{to}.weight"), net.constant(bias, f"{to}.bias"))
        return net.op("Conv", value, *arrays, to=to, kernel_shape=[3, 3])
