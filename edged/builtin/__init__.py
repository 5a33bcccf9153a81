"""The built-in pack: models, a character and templates that the package draws itself.

Nothing here is downloaded and nothing is derived from anybody's photograph: the
networks are formulae (a cosine basis), the pictures are drawn.  The pack has the tensor
contracts of real models, so that the same stages run it; it serves the demo and the
tests and is never offered as quality.
"""

from __future__ import annotations
