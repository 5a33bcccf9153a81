"""The restorer: GFPGAN's public architecture ("clean", version 1.3 and 1.4), random weights.

A U-Net of half the decoder's channels sees the crop; its 4 x 4 end gives sixteen latents, its
way up gives a scale and a shift for half of the decoder's channels at each level.  The
decoder is StyleGAN2 without custom operators.  84 million parameters at width 1.
Knows the contract of the public file.
"""

from __future__ import annotations

import numpy as np
import onnx

from edged.bench.synthetic.calibrate import expose
from edged.bench.synthetic.crops import tensor
from edged.bench.synthetic.net import LEAKY_GAIN, Net
from edged.bench.synthetic.sites import of_kind, stylegan_sites
from edged.bench.synthetic.stylegan import Modulation, StyleLayers

SIZE_PX = 512
LEVELS = tuple(2**i for i in range(2, 10))
"""Sides of the decoder's levels, 4 to 512."""

DECODER = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64}
"""Channels by side (channel multiplier 2); the U-Net has half of each."""

LATENT = 512
LATENTS = 16

SHARES = {4: 0.10, 8: 0.14, 16: 0.17, 32: 0.17, 64: 0.15, 128: 0.12, 256: 0.08, 512: 0.05}
"""What each level adds to the picture: less the finer it is, as in natural pictures."""

PAIRS = (
    *(f"down.{side}.conv1" for side in (256, 128, 64, 32, 16, 8)),
    *(f"up.{side}.conv1" for side in (8, 16, 32, 64, 128, 256)),
    *(f"condition.{side}.{half}.0" for side in LEVELS[1:-1] for half in ("scale", "shift")),
)
"""Layers whose values only the next convolution reads, none at the dearest extent."""

_CALM = 0.9
"""Of the U-Net's layers: features that hang together sum to more than those that do not."""


def write(net: Net) -> onnx.ModelProto:
    """The graph, `gfpgan_1.4` by contract."""
    sites = stylegan_sites(net.seed, PAIRS)
    unet = _UNet(net, of_kind(sites, "activation"), of_kind(sites, "latent"))
    latents, conditions = unet.write("input")
    layers = StyleLayers(net, reciprocal=net.seed % 2 == 0)
    styles = of_kind(sites, "style") | of_kind(sites, "faint")

    def style(layer: str, number: int) -> Modulation:
        return Modulation(
            latents[number], unet.latent, styles.get(layer, 1.0), unet.undo.get(number, 1.0)
        )

    channels = {side: 2 * unet.channels[side] for side in LEVELS}
    start = net.constant(net.normal("constant", (1, channels[4], 4, 4), 1.0), "constant")
    value = layers.conv(
        start, "style_convs.0", (channels[4], channels[4], 3), 4, style("style_convs.0", 0)
    )
    picture = layers.rgb(value, "to_rgbs.4", channels[4], 4, style("to_rgbs.4", 1), skip="")
    for number, side in enumerate(LEVELS[1:]):
        before, here = channels[side // 2], channels[side]
        first, second = f"style_convs.{2 * number + 1}", f"style_convs.{2 * number + 2}"
        at = 2 * number + 1
        value = layers.conv(value, first, (here, before, 3), side, style(first, at), double=True)
        value = _condition(net, value, here // 2, conditions[side])
        value = layers.conv(value, second, (here, here, 3), side, style(second, at + 1))
        rgb = f"to_rgbs.{side}"
        picture = layers.rgb(value, rgb, here, side, style(rgb, at + 2), skip=picture)
    net.rename(picture, "output")
    shape = (1, 3, SIZE_PX, SIZE_PX)
    return net.model("gfpgan_1.4", {"input": shape}, {"output": shape})


def settle(model: onnx.ModelProto) -> None:
    """Give the picture its mean and spread."""
    shares = {f"to_rgbs.{side}": SHARES[side] for side in LEVELS}
    expose(model, {"input": tensor(SIZE_PX, 0, 127.5, 127.5)}, shares)


def _condition(net: Net, value: str, half: int, condition: tuple[str, str]) -> str:
    """Scale and shift the second half of the channels."""
    first, second = net.halves(value, half)
    scaled = net.op("Mul", second, condition[0])
    return net.op("Concat", first, net.op("Add", scaled, condition[1]), axis=1)


class _UNet:
    """The U-Net with its latents and conditions.

    Attributes:
        channels: by side.
        latent: width of one latent.
        undo: by number of the latent, how much larger than usual it is.
    """

    def __init__(self, net: Net, large: dict[str, float], latents: dict[str, float]) -> None:
        self.channels = {side: net.channels(real // 2) for side, real in DECODER.items()}
        self.latent = net.channels(LATENT)
        # A modulated convolution reads the latent of its own number.
        self.undo = {int(layer.rsplit(".", 1)[1]): factor for layer, factor in latents.items()}
        self._net = net
        self._large = large

    def write(self, source: str) -> tuple[list[str], dict[int, tuple[str, str]]]:
        """Latents, and (scale, shift) by side of the decoder's level."""
        net, channels = self._net, self.channels
        value = net.leaky(net.conv(source, "first", (channels[512], 3, 1), gain=2.0))
        skips = {}
        for side in reversed(LEVELS[1:]):
            value = self._block(value, f"down.{side}", channels[side], channels[side // 2], 0.5)
            skips[side // 2] = value
        value = net.leaky(net.conv(value, "last", (channels[4], channels[4], 3), gain=LEAKY_GAIN))
        latents = self._latents(value)
        conditions = {}
        for side in LEVELS[1:]:
            value = net.op("Add", value, skips[side // 2])
            value = self._block(value, f"up.{side}", channels[side // 2], channels[side], 2.0)
            conditions[side] = (
                self._sub(value, f"condition.{side}.scale", channels[side], 1.0, 0.25),
                self._sub(value, f"condition.{side}.shift", channels[side], 0.0, 0.6),
            )
        return latents, conditions

    def _block(self, value: str, to: str, into: int, out: int, scale: float) -> str:
        """A residual block that halves or doubles, root mean square about kept.

        On the way up it reads a sum of two.
        """
        net = self._net
        factor = self._large.get(f"{to}.conv1", 1.0)
        calm = _CALM if scale < 1 else _CALM / 2**0.5
        gain = LEAKY_GAIN * calm
        inner = net.conv(value, f"{to}.conv1", (into, into, 3), gain=gain, factor=factor)
        inner = net.resize(net.leaky(inner), scale)
        inner = net.conv(
            inner, f"{to}.conv2", (out, into, 3), gain=LEAKY_GAIN * 0.7 * _CALM, undo=factor
        )
        inner = net.leaky(inner)
        skip = net.conv(
            net.resize(value, scale), f"{to}.skip", (out, into, 1), gain=0.7 * calm, bias=None
        )
        return net.op("Add", inner, skip)

    def _sub(self, value: str, to: str, channels: int, middle: float, spread: float) -> str:
        """Two convolutions to a scale about 1 or a shift about 0."""
        net = self._net
        factor = self._large.get(f"{to}.0", 1.0)
        extents = (channels, channels, 3)
        inner = net.leaky(net.conv(value, f"{to}.0", extents, gain=LEAKY_GAIN, factor=factor))
        name = f"{to}.1"
        std = spread * LEAKY_GAIN / factor / (channels * 9) ** 0.5
        weights = net.constant(net.normal(f"{name}.weight", (*extents, 3), std), f"{name}.weight")
        bias = net.constant(net.normal(f"{name}.bias", (channels,), 0.1, middle), f"{name}.bias")
        return net.op("Conv", inner, weights, bias, to=name, kernel_shape=[3, 3], pads=[1] * 4)

    def _latents(self, value: str) -> list[str]:
        """Sixteen, each (1, width)."""
        net, rows, columns = self._net, self.latent * LATENTS, self.channels[4] * 16
        weights = net.normal("final_linear.weight", (rows, columns), 1.2 / columns**0.5)
        bias = net.normal("final_linear.bias", (rows,), 0.7)
        for number, factor in self.undo.items():
            part = slice(number * self.latent, (number + 1) * self.latent)
            weights[part] *= np.float32(factor)
            bias[part] *= np.float32(factor)
        flat = net.reshape(value, [1, columns])
        linear = net.gemm(flat, "final_linear", weights, bias)
        stacked = net.reshape(linear, [1, LATENTS, self.latent])
        return [
            net.op("Gather", stacked, net.constant(np.int64(number)), axis=1)
            for number in range(LATENTS)
        ]
