"""The VQ autoencoder that CodeFormer and RestoreFormer++ share: layers, encoder, decoder.

Residual blocks with group norm and swish at six extents, 512 to 16, attention at 16.  The
residual streams carry a common large factor that every group norm takes back: the networks
compute the same with it, and their activations reach as far as the real ones'.  Group norm
is written as exporters do: reshape, instance norm, reshape, scale and shift.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edged.bench.synthetic.net import Net
from edged.faces import Floats

BASE = 64
MULTIPLIERS = (1, 2, 2, 4, 4, 8)
"""Channels in units of the base, at 512, 256, 128, 64, 32 and 16 px."""

SIDES = (512, 256, 128, 64, 32, 16)
CODE = 256
"""Channels of the code."""

CODES = 1024
_REACH = 3.0
"""Of the codebook's line in standard deviations of the code along it."""

EPSILON = 1e-6
GROUPS = 32
_NARROW_GROUPS = 8
_SWISH_GAIN = 1.68
"""1 / root mean square of swish(z), z standard normal."""

_BRANCH = 0.4

_CALM = 0.35
"""Of query and key: places that look alike score high together, and a softmax of such
scores would pick one place and turn small errors into another pick."""


def places() -> Floats:
    """(1024,) where the codebook's entries lie on their line.

    Entries of random places would put another picture in place of the right one whenever
    rounding picks the second best; on a line, as between a trained codebook's neighbours,
    the second best is nearly the same.
    """
    return np.linspace(-_REACH, _REACH, CODES, dtype=np.float32)


class VqLayers:
    """Writes the layers.

    Args:
        net: what they are written to.
        loud: root mean square of the residual streams.
        heads: of the attention; 1 is the plain block.
    """

    def __init__(self, net: Net, loud: float, heads: int = 1) -> None:
        self.net = net
        self.loud = loud
        self._heads = heads
        self.channels = {
            side: net.channels(BASE * times) for side, times in zip(SIDES, MULTIPLIERS, strict=True)
        }
        self.code = net.channels(CODE)

    def encoder(
        self, source: str, *, seen: Callable[[int, str], None] = lambda _side, _value: None
    ) -> str:
        """Picture (1, 3, 512, 512) to code (1, c, 16, 16).

        Args:
            source: the picture.
            seen: is told the features at the end of each extent's blocks.
        """
        value = self.stream(source, "encoder.in", (self.channels[512], 3, 3), gain=2.0)
        into = self.channels[512]
        for side in SIDES:
            out = self.channels[side]
            for block in range(2):
                value = self.residual(value, f"encoder.{side}.{block}", out, into)
                into = out
                if side == SIDES[-1]:
                    value = self.attend(value, f"encoder.{side}.{block}.attn", out, side)
            seen(side, value)
            if side != SIDES[-1]:
                value = self._down(value, f"encoder.{side}.down", out)
        value = self._middle(value, "encoder.mid", out)
        hushed = self.normed(value, "encoder.norm", out)
        extents = (self.code, out, 3)
        return self.net.conv(hushed, "encoder.out", extents, gain=_SWISH_GAIN)

    def decoder(
        self,
        code: str,
        *,
        gain: float = 1.0,
        blocks: int = 2,
        fuse: Callable[[int, str], str] = lambda _side, value: value,
        query: dict[int, str] | None = None,
    ) -> str:
        """Code to picture, whose last layer is `decoder.out`.

        Args:
            code: (1, c, 16, 16).
            gain: 1 / root mean square of the code.
            blocks: residual blocks at each extent.
            fuse: makes the features that go on of those at the end of an extent's blocks.
            query: features that attention asks with, by extent, in place of its own; where
                an extent is named, its blocks attend.
        """
        asked = query or {}
        out = self.channels[16]
        value = self.stream(code, "decoder.in", (out, self.code, 3), gain=gain)
        value = self._middle(value, "decoder.mid", out, asked.get(16, ""))
        into = out
        for side in reversed(SIDES):
            out = self.channels[side]
            for block in range(blocks):
                value = self.residual(value, f"decoder.{side}.{block}", out, into)
                into = out
                if side == SIDES[-1] or side in asked:
                    name = f"decoder.{side}.{block}.attn"
                    value = self.attend(value, name, out, side, asked.get(side, ""))
            value = fuse(side, value)
            if side != SIDES[0]:
                value = self._up(value, f"decoder.{side}.up", out)
        hushed = self.normed(value, "decoder.norm", out)
        extents = (3, out, 3)
        return self.net.conv(hushed, "decoder.out", extents, gain=_SWISH_GAIN, bias=0.0)

    def stream(
        self, value: str, to: str, extents: tuple[int, int, int], *, gain: float = 1.0
    ) -> str:
        """A convolution from values of about 1 into a stream."""
        return self.net.conv(value, to, extents, gain=gain, factor=self.loud)

    def residual(self, value: str, to: str, out: int, into: int) -> str:
        """Two convolutions after group norm and swish, beside the value or its projection."""
        net = self.net
        inner = self.normed(value, f"{to}.norm1", into)
        inner = net.conv(inner, f"{to}.conv1", (out, into, 3), gain=_SWISH_GAIN)
        inner = self.normed(inner, f"{to}.norm2", out)
        gain = _SWISH_GAIN * _BRANCH
        inner = net.conv(inner, f"{to}.conv2", (out, out, 3), gain=gain, factor=self.loud)
        if into != out:
            value = net.conv(value, f"{to}.skip", (out, into, 1), bias=None)
        return net.op("Add", value, inner)

    def attend(self, value: str, to: str, channels: int, side: int, query: str = "") -> str:
        """Attention over places; `query` asks in place of the value itself.

        Args:
            value: (1, channels, side, side), a stream.
            to: stem of the names.
            channels: of the value.
            side: its extent.
            query: a stream of the same extents, or "".
        """
        net, places = self.net, side * side
        normed = self.group_norm(value, f"{to}.norm", channels)
        asking = self.group_norm(query, f"{to}.norm2", channels) if query else normed
        heads = self._heads
        each = channels // heads
        q, k, v = (
            net.reshape(
                net.conv(source, f"{to}.{part}", (channels, channels, 1), gain=gain),
                [1, heads, each, places],
            )
            for source, part, gain in (
                (asking, "q", _CALM),
                (normed, "k", _CALM),
                (normed, "v", 1.0),
            )
        )
        rows = net.op("Transpose", q, perm=[0, 1, 3, 2])
        scores = net.scaled(net.op("MatMul", rows, k), each**-0.5)
        weights = net.op("Transpose", net.op("Softmax", scores, axis=-1), perm=[0, 1, 3, 2])
        mixed = net.reshape(net.op("MatMul", v, weights), [1, channels, side, side])
        return net.op("Add", value, self.stream(mixed, f"{to}.proj", (channels, channels, 1)))

    def normed(self, value: str, to: str, channels: int) -> str:
        """Group norm and swish."""
        scaled = self.group_norm(value, to, channels)
        return self.net.op("Mul", scaled, self.net.op("Sigmoid", scaled))

    def group_norm(self, value: str, to: str, channels: int) -> str:
        """As exporters write it for want of an operator of its own."""
        net = self.net
        groups = GROUPS if channels % GROUPS == 0 else _NARROW_GROUPS
        ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
        grouped = net.reshape(value, [0, groups, -1])
        plain = net.op(
            "InstanceNormalization", grouped, net.constant(ones), net.constant(zeros),
            epsilon=EPSILON,
        )  # fmt: skip
        back = net.op("Reshape", plain, net.op("Shape", value))
        scale = net.constant(net.normal(f"{to}.weight", (channels, 1, 1), 0.1, 1.0), f"{to}.weight")
        shift = net.constant(net.normal(f"{to}.bias", (channels, 1, 1), 0.1), f"{to}.bias")
        return net.op("Add", net.op("Mul", back, scale), shift)

    def _middle(self, value: str, to: str, channels: int, query: str = "") -> str:
        """Block, attention, block at 16."""
        value = self.residual(value, f"{to}.0", channels, channels)
        value = self.attend(value, f"{to}.attn", channels, SIDES[-1], query)
        return self.residual(value, f"{to}.1", channels, channels)

    def _down(self, value: str, to: str, channels: int) -> str:
        """Zeros below and to the right, then a convolution that halves."""
        net = self.net
        padded = net.op("Pad", value, net.constant([0, 0, 0, 0, 0, 0, 1, 1]), mode="constant")
        return net.conv(padded, to, (channels, channels, 3), stride=2, pad=0)

    def _up(self, value: str, to: str, channels: int) -> str:
        """Nearest doubling, then a convolution."""
        net = self.net
        scales = net.constant(np.array([1, 1, 2, 2], np.float32))
        wide = net.op(
            "Resize", value, "", scales,
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip
        return net.conv(wide, to, (channels, channels, 3))
