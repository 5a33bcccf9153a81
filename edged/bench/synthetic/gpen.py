"""GPEN-BFR-512's public architecture with random weights.

An encoder of strided convolutions whose features take the place of StyleGAN2's noise: each
is laid beside the decoder's features, which doubles what the next layer reads.  The decoder
doubles by transposed convolution and a blur; filters and doublings of pictures are plain
operators, as the package's own CPU path is exported.  71 million parameters at width 1.
"""

from __future__ import annotations

import numpy as np
import onnx

from edged.bench.synthetic.calibrate import expose
from edged.bench.synthetic.crops import tensor
from edged.bench.synthetic.gfpgan import DECODER, LATENT, LEVELS, SHARES
from edged.bench.synthetic.net import Net
from edged.bench.synthetic.stylegan import Modulation, StyleLayers

SIZE_PX = 512
_PIXEL_EPSILON = 1e-8
_DEEP = 8
_BLUR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
_PICTURE_STD = 0.3
"""Less than the others': another crop moves the whole picture further."""

_OWN = 0.2
"""Of the encoder's features beside the decoder's."""


def write(net: Net) -> onnx.ModelProto:
    """The graph, `gpen_bfr_512` by contract."""
    channels = {side: net.channels(real) for side, real in DECODER.items()}
    latent = net.channels(LATENT)
    features, style = _encoder(net, channels, latent)
    layers = _Layers(net, Modulation(style, latent), features)
    start = net.constant(net.normal("constant", (1, channels[4], 4, 4), 1.0), "constant")
    value = layers.conv(start, "convs.0", channels[4], channels[4], 4)
    picture = layers.rgb(value, 2 * channels[4], 4, skip="")
    for number, side in enumerate(LEVELS[1:]):
        into, out = 2 * channels[side // 2], channels[side]
        value = layers.conv(value, f"convs.{2 * number + 1}", out, into, side, double=True)
        value = layers.conv(value, f"convs.{2 * number + 2}", out, 2 * out, side)
        picture = layers.rgb(value, 2 * out, side, skip=picture)
    net.rename(picture, "output")
    shape = (1, 3, SIZE_PX, SIZE_PX)
    return net.model("gpen_bfr_512", {"input": shape}, {"output": shape})


def settle(model: onnx.ModelProto) -> None:
    """Give the picture its mean and spread."""
    shares = {f"to_rgbs.{side}": SHARES[side] for side in LEVELS}
    expose(model, {"input": tensor(SIZE_PX, 0, 127.5, 127.5)}, shares, std=_PICTURE_STD)


def _encoder(net: Net, channels: dict[int, int], latent: int) -> tuple[dict[int, str], str]:
    """Features by extent, and the style (1, latent) behind eight dense layers."""
    first = net.conv("input", "ecd0", (channels[512], 3, 1), bias=None)
    value = _activated(net, first, "ecd0", channels[512])
    features = {512: value}
    for number, side in enumerate(reversed(LEVELS[:-1])):
        to, into = f"ecd{number + 1}", channels[2 * side]
        blurred = blur(net, value, (into, 2 * side), (2, 2), 1.0)
        extents = (channels[side], into, 3)
        strided = net.conv(blurred, to, extents, stride=2, pad=0, bias=None)
        value = _activated(net, strided, to, channels[side])
        features[side] = value
    columns = channels[4] * 16
    dense = net.reshape(value, [1, columns])
    dense = _dense(net, dense, "final_linear", (latent, columns))
    mean = net.op("ReduceMean", net.op("Mul", dense, dense), axes=[1], keepdims=1)
    dense = net.op("Mul", dense, net.inverse_root(net.moved(mean, _PIXEL_EPSILON)))
    for number in range(_DEEP):
        dense = _dense(net, dense, f"style.{number}", (latent, latent))
    return features, dense


def _dense(net: Net, value: str, to: str, extents: tuple[int, int]) -> str:
    """Gemm, LeakyReLU, times sqrt 2."""
    bias = net.normal(f"{to}.bias", (extents[0],), 0.3)
    linear = net.linear(value, to, extents, 1 / extents[1] ** 0.5, bias)
    return net.scaled(net.leaky(linear), 2**0.5)


def _activated(net: Net, value: str, to: str, channels: int) -> str:
    """Bias, LeakyReLU, times sqrt 2."""
    bias = net.constant(net.normal(f"{to}.bias", (1, channels, 1, 1), 0.1), f"{to}.bias")
    return net.scaled(net.leaky(net.op("Add", value, bias)), 2**0.5)


def blur(net: Net, value: str, extents: tuple[int, int], pads: tuple[int, int], gain: float) -> str:
    """A 4 x 4 filter over each channel as if it were a picture.

    Args:
        net: what it is written to.
        value: (1, channels, side, side).
        extents: channels and side.
        pads: rows and columns of zeros before and after.
        gain: sum of the filter.
    """
    channels, side = extents
    flat = net.reshape(value, [-1, 1, side, side])
    before, after = pads
    padded = net.op("Pad", flat, net.constant([0, 0, before, before, 0, 0, after, after]))
    kernel = net.constant((_BLUR * np.float32(gain))[None, None])
    filtered = net.op("Conv", padded, kernel, kernel_shape=[4, 4])
    extent = side + before + after - 3
    return net.reshape(filtered, [-1, channels, extent, extent])


class _Layers:
    """The decoder's layers."""

    def __init__(self, net: Net, style: Modulation, features: dict[int, str]) -> None:
        self._net = net
        self._style = style
        self._features = features
        self._layers = StyleLayers(net)

    def conv(
        self, value: str, to: str, out: int, into: int, side: int, *, double: bool = False
    ) -> str:
        """Modulated convolution, the encoder's features beside it, activation.

        Args:
            value: (1, into, h, w).
            to: stem of the names.
            out: channels out, before the encoder's are laid beside them.
            into: channels in.
            side: extent of the result.
            double: by a transposed convolution and a blur.

        Returns:
            (1, 2 out, side, side).
        """
        net, extents = self._net, (out, into, 3)
        weight = self._layers.weight(to, extents, self._style)
        if double:
            mixed = self._doubled(value, weight, extents, side)
        else:
            mixed = self._layers.apply(value, to, extents, side, weight)
        loudness = net.constant(np.array([_OWN], np.float32), f"{to}.noise.weight")
        beside = net.op("Mul", loudness, self._features[side])
        both = net.op("Concat", mixed, beside, axis=1)
        bias = net.normal(f"{to}.activate.bias", (1, 2 * out, 1, 1), 0.1)
        biased = net.op("Add", both, net.constant(bias, f"{to}.activate.bias"))
        return net.scaled(net.leaky(biased), 2**0.5)

    def rgb(self, value: str, channels: int, side: int, *, skip: str) -> str:
        """Three channels, added to the doubled picture so far."""
        net, to, extents = self._net, f"to_rgbs.{side}", (3, channels, 1)
        weight = self._layers.weight(to, extents, self._style, length=False)
        mixed = self._layers.apply(value, to, extents, side, weight)
        bias = net.constant(np.zeros((1, 3, 1, 1), np.float32), f"{to}.bias")
        out = net.op("Add", mixed, bias)
        return net.op("Add", out, self._grown(skip, side // 2)) if skip else out

    def _doubled(self, value: str, weight: str, extents: tuple[int, int, int], side: int) -> str:
        """Transposed convolution of stride 2, then the blur that its checks need."""
        net = self._net
        out, into, kernel = extents
        turned = net.op("Transpose", weight, perm=[0, 2, 1, 3, 4])
        filters = net.reshape(turned, [into, out, kernel, kernel])
        grouped = net.reshape(value, [1, into, side // 2, side // 2])
        wide = net.op(
            "ConvTranspose", grouped, filters,
            kernel_shape=[kernel, kernel], strides=[2, 2], pads=[0, 0, 0, 0], group=1,
        )  # fmt: skip
        return blur(net, wide, (out, side + 1), (1, 1), 4.0)

    def _grown(self, picture: str, side: int) -> str:
        """Zeros between the pixels, then the blur, (1, 3, 2 side, 2 side)."""
        net = self._net
        apart = net.reshape(picture, [3, side, 1, side, 1])
        pads = net.constant([0, 0, 0, 0, 0, 0, 0, 1, 0, 1])
        wide = net.reshape(net.op("Pad", apart, pads), [1, 3, 2 * side, 2 * side])
        return blur(net, wide, (3, 2 * side), (2, 1), 4.0)
