"""Networks of the real architectures' shape and cost with random weights.

For speed and precision without anybody's weights: names, types and extents are those of the
public files, activations range as far, and half precision breaks at places drawn by seed.
Nothing is downloaded.
"""

from edged.bench.synthetic.catalogue import RECIPES, build, outline, sites, write
from edged.bench.synthetic.crops import crops

__all__ = ["RECIPES", "build", "crops", "outline", "sites", "write"]
