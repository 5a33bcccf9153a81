"""Parts of the engine that break for a while and come back; see tests/fakes/faulty_engine.py."""

from __future__ import annotations

import time

from faults.kinds import Kind


def lapse(site, chance):
    """The part is broken as long as the file is there."""
    site.booth.fault_file.touch()
    try:
        time.sleep(chance.uniform(0.4, 1.2))
    finally:
        site.booth.fault_file.unlink()


def strike(site, _chance):
    site.booth.strike()


KINDS = (
    Kind("swapper gives the face back", lapse, fault="lapsing-swapper"),
    Kind("a detector family is blind", lapse, fault="lapsing-detector"),
    Kind("guard's recogniser fails", lapse, fault="lapsing-recogniser", may_refuse=True),
)
