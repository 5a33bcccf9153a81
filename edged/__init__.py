"""edged: camera frames in over ZeroMQ, private pictures out over MQTT.

Importing this package is cheap: it loads no runtime, no socket library and no
image code.  The composition roots are in :mod:`edged.daemon`.
"""

import os

__version__ = "0.1.0"

# onnxruntime's official Linux builds send telemetry to Microsoft since 1.29, unless this
# is set before they are loaded (microsoft/onnxruntime#27379); its Python switch comes too
# late.  Set here, it holds for every process of edged and for their children.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
