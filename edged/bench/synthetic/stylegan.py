"""StyleGAN2 layers without custom operators, as PyTorch exports them at batch 1.

The modulated convolution scales a constant weight by the style, divides each filter by its
length and convolves with the result, a weight that is computed.  Knows no architecture.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edged.bench.synthetic.net import Net

EPSILON = 1e-8
_NOISE = 0.1


@dataclass(frozen=True)
class Modulation:
    """How a layer is styled.

    Attributes:
        latent: value (1, latent_width).
        width: of the latent.
        factor: by which its style is larger than 1; the division by the filters' lengths
            takes that back.
        undo: by which the latent is larger than usual.
    """

    latent: str
    width: int
    factor: float = 1.0
    undo: float = 1.0


@dataclass(frozen=True)
class StyleLayers:
    """Writes the layers.

    Attributes:
        net: what they are written to.
        reciprocal: form of 1 / sqrt, see :meth:`Net.inverse_root`.
    """

    net: Net
    reciprocal: bool = field(default=False)

    def conv(
        self, value: str, to: str, extents: tuple[int, int, int], side: int, style: Modulation,
        *, double: bool = False,
    ) -> str:  # fmt: skip
        """Modulated convolution, times sqrt 2, noise, bias, LeakyReLU.

        Args:
            value: (1, channels in, h, w).
            to: stem of the names.
            extents: channels out, channels in, side of the kernel.
            side: h and w of the result.
            style: the layer's.
            double: whether the value is doubled first.
        """
        net = self.net
        weight = self.weight(to, extents, style)
        read = net.resize(value, 2) if double else value
        mixed = self.apply(read, to, extents, side, weight)
        loud = net.scaled(mixed, 2**0.5)
        noise = net.normal(f"{to}.noise", (1, 1, side, side), _NOISE)
        noised = net.op("Add", loud, net.constant(noise, f"{to}.noise"))
        bias = net.constant(net.normal(f"{to}.bias", (1, extents[0], 1, 1), 0.1), f"{to}.bias")
        return net.leaky(net.op("Add", noised, bias))

    def rgb(
        self, value: str, to: str, channels: int, side: int, style: Modulation, *, skip: str
    ) -> str:
        """Three channels without the division, added to the doubled picture so far."""
        net = self.net
        extents = (3, channels, 1)
        weight = self.weight(to, extents, style, length=False)
        mixed = self.apply(value, to, extents, side, weight)
        bias = net.constant(np.zeros((1, 3, 1, 1), np.float32), f"{to}.bias")
        out = net.op("Add", mixed, bias)
        return net.op("Add", out, net.resize(skip, 2)) if skip else out

    def weight(
        self, to: str, extents: tuple[int, int, int], style: Modulation, *, length: bool = True
    ) -> str:
        """A constant weight times the style, each filter divided by its length if asked.

        Returns:
            The value (1, out, in, side, side).
        """
        net = self.net
        out, into, kernel = extents
        # Style 1 +- 0.3 for latents of about 1, times the site's factor.
        spread = 0.3 * style.factor / style.undo / style.width**0.5
        bias = np.full((into,), style.factor, np.float32)
        style_of = f"{to}.modulation"
        scale = net.linear(style.latent, style_of, (into, style.width), spread, bias)
        std = 1 / (into * kernel * kernel) ** 0.5
        drawn = net.normal(f"{to}.weight", (1, out, into, kernel, kernel), std)
        shaped = net.reshape(scale, [1, 1, into, 1, 1])
        weight = net.op("Mul", net.constant(drawn, f"{to}.weight"), shaped)
        if not length:
            return weight
        powers = net.op("Pow", weight, net.constant(2.0))
        axes = net.constant([2, 3, 4])
        total = net.op("ReduceSum", powers, axes, keepdims=0, to=f"{to}.power")
        inverse = net.inverse_root(net.moved(total, EPSILON), reciprocal=self.reciprocal)
        return net.op("Mul", weight, net.reshape(inverse, [1, out, 1, 1, 1]))

    def apply(
        self, value: str, to: str, extents: tuple[int, int, int], side: int, weight: str
    ) -> str:
        """Convolve (1, in, side, side) with a computed weight, extent kept."""
        net = self.net
        out, into, kernel = extents
        filters = net.reshape(weight, [out, into, kernel, kernel])
        grouped = net.reshape(value, [1, into, side, side])
        mixed = net.op(
            "Conv", grouped, filters,
            kernel_shape=[kernel, kernel], pads=[kernel // 2] * 4, group=1,
        )  # fmt: skip
        return net.reshape(mixed, [1, out, side, side], to=to)
