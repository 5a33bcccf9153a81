"""What `nvidia-smi` says of each card; Jetsons before JetPack 7 have none that helps.

Knows its comma-separated answers, in which a value that there is not is "[N/A]".
"""

from __future__ import annotations

from dataclasses import dataclass

from edged.doctor.host import Host

FIELDS = (
    "index", "name", "driver_version", "memory.total", "memory.used", "mig.mode.current",
    "compute_mode",
)  # fmt: skip


@dataclass(frozen=True)
class Card:
    """One GPU.

    Attributes:
        index: its number.
        name: of its make.
        driver: version of the driver.
        total_mb, used_mb: memory; 0 where it does not say.
        mig: "Enabled", "Disabled" or "".
        compute_mode: "Default", "Exclusive_Process", "Prohibited" or "".
    """

    index: int
    name: str
    driver: str
    total_mb: int
    used_mb: int
    mig: str
    compute_mode: str


def cards(host: Host) -> tuple[Card, ...]:
    """All GPUs, none where nvidia-smi is absent or fails."""
    return host.once("nvidia-smi", lambda: _cards(host))


def _cards(host: Host) -> tuple[Card, ...]:
    program = host.which("nvidia-smi")
    if program is None:
        return ()
    ran = host.run([program, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"])
    if ran.code != 0:
        return ()
    rows = [[cell.strip() for cell in line.split(",")] for line in ran.out.splitlines()]
    return tuple(_card(row) for row in rows if len(row) == len(FIELDS) and row[0].isdigit())


def _card(row: list[str]) -> Card:
    index, name, driver, total, used, mig, mode = (
        "" if cell.startswith("[") else cell for cell in row
    )
    return Card(int(index), name, driver, _number(total), _number(used), mig, mode)


def _number(cell: str) -> int:
    return int(cell) if cell.isdigit() else 0
