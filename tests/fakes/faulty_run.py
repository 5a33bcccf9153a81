"""`edged run` with an engine that has a broken part: `python faulty_run.py KIND run ...`."""

import sys
from pathlib import Path

from edged.commands import run

KIND = sys.argv.pop(1)
FAULTY = str(Path(__file__).parent / "faulty_engine.py")
REAL = run._command


def faulty(name, config, run_dir, *, verbose):
    """The command line of a program; the engine's has the fake in the place of the package."""
    words = REAL(name, config, run_dir, verbose=verbose)
    return [words[0], FAULTY, KIND, *words[3:]] if name == "engine" else words


run._command = faulty

from edged.cli import main  # noqa: E402

sys.exit(main())
