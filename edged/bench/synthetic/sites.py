"""Where half precision breaks in a synthetic network: drawn by seed, known beforehand.

Every site is a pair of factors that cancel in exact arithmetic (a normalisation or a later
layer takes the first one back), so that the FP32 network computes the same with and without
it, and FP16 does not.  Knows the layers' names; writes no graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["squares", "conv", "offset", "dead", "style", "faint", "activation", "latent"]
"""What breaks:

- squares: the squares of centred values pass 65504; the norm divides by infinity.
- conv: a convolution's own output passes 65504 before its norm: infinity less infinity.
- offset: a mean hundreds of times the spread; FP16 rounds the spread away.  Precision only.
- dead: channels without weights; epsilon 1e-8 is 0 in FP16, so 0 / 0.  Precision only.
- style: the sum of squared modulated weights passes 65504, or the modulated input does.
- faint: that sum and epsilon are both lost below FP16's smallest number.  Precision only.
- activation: a layer's values pass 65504 and the next layer's weights take that back.
- latent: the same between the linear layer of the latents and one modulation.
"""


@dataclass(frozen=True)
class Site:
    """One place.

    Attributes:
        layer: stem of the layer's names in the public graph ("blocks.3.conv1").
        kind: what breaks there.
        factor: how much larger (or smaller) than usual the layer's values are.
    """

    layer: str
    kind: Kind
    factor: float


def inswapper_sites(seed: int) -> tuple[Site, ...]:
    """Sites in the twelve convolutions of the style blocks.

    At most two convolutions (11 % of the multiply-adds) cannot be left in FP16 as they are.
    """
    rng = np.random.default_rng([seed, 1])
    layers = [f"blocks.{block}.conv{half}" for block in range(6) for half in (1, 2)]
    rng.shuffle(layers)
    beyond = int(rng.integers(0, 3))
    offsets = int(rng.integers(0, 2)) if beyond < 2 else 0
    squares = int(rng.integers(4, 8)) + (0 if beyond else 2)
    counts: list[tuple[Kind, int, float, float]] = [
        ("conv", beyond, 4e4, 4e5),
        ("offset", offsets, 200, 400),
        ("squares", squares, 150, 3000),
    ]
    sites = []
    for kind, count, least, most in counts:
        sites += [Site(layers.pop(), kind, _between(rng, least, most)) for _ in range(count)]
    if layers and rng.integers(0, 2):
        sites.append(Site(layers.pop(), "dead", 0.0))
    return tuple(sites)


def stylegan_sites(seed: int, pairs: tuple[str, ...]) -> tuple[Site, ...]:
    """Sites in GFPGAN's fifteen modulated convolutions, its U-Net and its latents.

    Args:
        seed: which sites.
        pairs: layers whose values the next convolution can take back, each of at most
            3 % of the multiply-adds with the layer after it.
    """
    rng = np.random.default_rng([seed, 2])
    layers = [f"style_convs.{number}" for number in range(15)]
    rng.shuffle(layers)
    # One so large that the modulated input passes 65504, too.
    sites = [Site(layers.pop(), "style", _between(rng, 1.2e4, 2e4))]
    more = int(rng.integers(2, 6))
    sites += [Site(layers.pop(), "style", _between(rng, 600, 1.2e4)) for _ in range(more)]
    if rng.integers(0, 2):
        sites.append(Site(layers.pop(), "faint", 1e-3))
    chosen = rng.choice(len(pairs), int(rng.integers(1, 4)), replace=False)
    sites += [Site(pairs[i], "activation", _between(rng, 3e5, 2e6)) for i in sorted(chosen)]
    if rng.integers(0, 2):
        sites.append(Site(layers.pop(), "latent", _between(rng, 1e5, 5e5)))
    return tuple(sites)


def _between(rng: np.random.Generator, least: float, most: float) -> float:
    """Evenly on a logarithmic scale, to three digits."""
    return float(f"{np.exp(rng.uniform(np.log(least), np.log(most))):.3g}")


def of_kind(sites: tuple[Site, ...], kind: Kind) -> dict[str, float]:
    """Factors by layer."""
    return {site.layer: site.factor for site in sites if site.kind == kind}
