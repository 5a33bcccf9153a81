"""Whether the card has memory left, and lets a process in.

Data: gpu, total_mb, used_mb, compute_mode.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor import smi
from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import gravity
from edged.doctor.host import Host
from edged.doctor.setup import Setup

NEEDED_MB = 3072
"""Engines and their work space at four faces take about 1.5 GB by their sizes; building a
restorer's engine wants more for its trials."""


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Each card that nvidia-smi names; a Jetson's memory is the board's own."""
    for card in smi.cards(host):
        free = card.total_mb - card.used_mb
        data = {
            "gpu": card.index, "total_mb": card.total_mb, "used_mb": card.used_mb,
            "compute_mode": card.compute_mode,
        }  # fmt: skip
        if card.compute_mode == "Prohibited":
            yield Finding(
                "gpu-memory.prohibited",
                gravity(host, setup),
                f"GPU {card.index} lets no process compute",
                card.name,
                cure=(f"sudo nvidia-smi -i {card.index} -c DEFAULT",),
                data=data,
            )
        elif card.total_mb and card.mig != "Enabled" and free < NEEDED_MB:
            yield Finding(
                "gpu-memory.low",
                "warn",
                f"{free} of {card.total_mb} MB are free on GPU {card.index}, "
                f"and edged wants {NEEDED_MB}",
                card.name,
                advice="Another program holds the rest, perhaps an engine that runs already.",
                cure=("nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv",),
                data=data,
            )
        elif card.total_mb:
            yield Finding(
                "gpu-memory.free",
                "ok",
                f"GPU {card.index}: {free} of {card.total_mb} MB are free",
                card.name,
                data=data,
            )


CHECK = Check("gpu-memory", "graphics", "memory and compute mode of the card", look)
