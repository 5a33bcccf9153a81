"""Makes what marks outgoing pictures, from the table `[provenance]`.

A configured certificate is tried out here, before the engine says that it is ready.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from edged.config import Config
from edged.privacy.manifest import ManifestSigner
from edged.privacy.provenance import Marker


def open_marker(config: Config, trouble: Callable[[str | None], None]) -> Marker:
    """The marker of a configuration.

    Args:
        config: checked.
        trouble: told a reason when signing fails later, and None when it works again.

    Raises:
        OperatorError: pictures are to be signed and cannot be.
    """
    table = config.provenance
    if table.cert_file is None or table.key_file is None:
        return Marker()
    signer = ManifestSigner(table.cert_file, table.key_file)
    done, grey = cv2.imencode(".jpg", np.full((16, 16, 3), 96, np.uint8))
    signer.try_out(grey.tobytes() if done else b"")
    required = table.on_failure == "refuse"
    return Marker(signer, required=required, trouble=trouble, about=signer.about)
