"""Whether a data-centre GPU is cut into instances (MIG), and which of them edged gets.

With MIG on and no instance made, CUDA finds no device at all.  A process can use one
instance only: the first, or the one that CUDA_VISIBLE_DEVICES names.

Data: gpu, instances, chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edged.doctor import smi
from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import gravity
from edged.doctor.host import Host
from edged.doctor.setup import Setup

_INSTANCE = re.compile(r"MIG\s+(\S+)\s+Device\s+(\d+):\s+\(UUID:\s+(MIG-[^)\s]+)\)")


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Nothing where no GPU has MIG switched on."""
    cut = [card for card in smi.cards(host) if card.mig == "Enabled"]
    if not cut:
        return
    program = host.which("nvidia-smi") or "nvidia-smi"
    listed = host.run([program, "-L"]).out
    instances = [{"profile": p, "uuid": uuid} for p, _, uuid in _INSTANCE.findall(listed)]
    chosen = host.env.get("CUDA_VISIBLE_DEVICES", "")
    data = {"gpu": [card.index for card in cut], "instances": instances, "chosen": chosen}
    if not instances:
        yield Finding(
            "mig.empty",
            gravity(host, setup),
            f"MIG is on for GPU {cut[0].index} and no instance is made, so CUDA finds no device",
            advice="List the profiles and make one with its compute instance, or switch MIG off.",
            cure=(
                f"sudo nvidia-smi mig -i {cut[0].index} -lgip",
                f"sudo nvidia-smi -i {cut[0].index} -mig 0",
            ),
            data=data,
        )
    elif chosen.startswith("MIG-") and not any(chosen == one["uuid"] for one in instances):
        yield Finding(
            "mig.wrong",
            gravity(host, setup),
            "CUDA_VISIBLE_DEVICES names a MIG instance that is not there",
            where=chosen,
            advice="Instances get new names when they are made again.",
            cure=("nvidia-smi -L",),
            data=data,
        )
    elif len(instances) > 1 and not chosen:
        yield Finding(
            "mig.first",
            "note",
            f"there are {len(instances)} MIG instances, and edged takes the first "
            f"({instances[0]['profile']})",
            advice="To use another one, set CUDA_VISIBLE_DEVICES to its UUID. Engines belong to "
            "the profile that they were built on.",
            cure=("nvidia-smi -L",),
            data=data,
        )
    else:
        yield Finding("mig.chosen", "ok", f"MIG is on, {len(instances)} instance(s)", data=data)


CHECK = Check("mig", "graphics", "instances of a divided GPU (MIG)", look)
