"""Parts of the engine that break for a while and come back; see tests/fakes/faulty_engine.py."""

from __future__ import annotations

import time
from functools import partial

from faults.kinds import Kind

EXIT_ENGINE_ENDS = 70
DEADLINE = {"frames": "deadline_ms = 4000"}


def lapse(part, site, chance):
    """The part is broken as long as the file names it."""
    site.booth.fault_file.write_text(part)
    try:
        time.sleep(chance.uniform(0.4, 1.2))
    finally:
        site.booth.fault_file.unlink()


def exhaust(site, _chance):
    """A model's next run finds no memory, and so does every later run of that session.

    The frame of that run is turned away; the next one finds the session made anew.
    """
    site.booth.strike()


def hang(site, _chance):
    """A model's next run never returns: the engine ends, and whoever started it does so again."""
    site.booth.strike()
    site.until(lambda: site.booth.engine.poll() is not None, 60, "the engine has given up")
    assert site.booth.engine.returncode == EXIT_ENGINE_ENDS
    site.restart_engine()


KINDS = (
    Kind("swapper gives the face back", partial(lapse, "swapper"), fault="lapsing"),
    Kind("a detector family is blind", partial(lapse, "detector"), fault="lapsing"),
    Kind("guard's recogniser fails", partial(lapse, "recogniser"), fault="lapsing",
         may_refuse=True),
    Kind("a model runs out of memory", exhaust, fault="oom", may_refuse=True),
    Kind("a model does not come back", hang, fault="hang", may_refuse=True, config=DEADLINE,
         short=False),
)  # fmt: skip
