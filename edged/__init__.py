"""edged: camera frames in over ZeroMQ, private pictures out over MQTT.

Importing this package is cheap: it loads no runtime, no socket library and no
image code.  The composition roots are in :mod:`edged.daemon`.
"""

__version__ = "0.1.0"
