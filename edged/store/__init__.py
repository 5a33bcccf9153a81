"""Model files on disk: where they are, whether they are right, and how to get them.

Knows recipes, files and downloads; knows nothing of sessions, and nothing of how the
built-in pack is made (whoever composes the parts hands its writer in).
"""

from __future__ import annotations

from edged.store.download import Progress
from edged.store.files import ModelStatus, ModelStore, Trust
from edged.store.pull import pull

__all__ = ["ModelStatus", "ModelStore", "Progress", "Trust", "pull"]
