"""`python -m edged`: the same as the `edged` command.

Knows only where the command line begins.
"""

from __future__ import annotations

from edged.cli import main

if __name__ == "__main__":
    main()
