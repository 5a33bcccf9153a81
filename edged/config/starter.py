"""The file that `edged config init` writes: it runs as it is, and says what to change.

Knows the text only.
"""

from __future__ import annotations

import re

STARTER = """\
# edged.toml: everything that one device needs to know.
#
#   edged config check        every mistake of this file at once, in plain words
#   edged config reference    every key, its default and its meaning
#   edged run                 start
#
# As it stands it runs at once: built-in models (for trying out only: they miss faces) and
# an MQTT broker on this machine.  Lines to look at first are marked (1) to (5).
# Paths start at the folder of this file.

[device]
name = "@NAME@"         # (1) unique at your broker: a-z, 0-9, '-'
site = "default"        #     place or customer; topics begin edged/<site>/<name>/

# (2) One table for each camera.  Senders name it; its scene is what its frames become.
[cameras.booth]
scene = "hide"

# (3) Scenes.  "disguise": every face becomes a character; nobody is recognisable.
[scenes.hide]
mode = "disguise"
identities = ["character"]
share_identities = true # everybody becomes this one character; else the second face is filled
# allow_empty = true    # let frames without any face out, too
# label = "AI-edited"   # words in a corner of each picture; README, "The EU AI Act"
# publish_every_s = 5.0 # of live frames, publish one in so many seconds

# "portrait": the visitors become the people of a picture.  A shot needs one consent
# reference for each person, and nothing of the camera's picture is in the result.
# More people than references: the shot is refused, unless each reference says where its
# person is.
[scenes.poster]
mode = "portrait"
template = "builtin:poster"     # or "pictures/poster.jpg"

[identities.character]
photos = ["builtin:character"]  # or ["faces/actor-1.jpg", "faces/actor-2.jpg"]

# (4) Where results and health go.  Off this machine, TLS is always on.
[broker]
host = "127.0.0.1"
# port = 8883
# username = "@NAME@"
# password_file = "$CREDENTIALS_DIRECTORY/broker-password"
# [broker.tls]
# ca_file = "ca.pem"            # left out: the system's authorities
# cert_file = "device.pem"      # where the broker asks for one
# key_file = "device-key.pem"

# (5) Real models: look at their terms with `edged models list`, uncomment this, then
# `edged models pull`.  Many are free for research only; accept_licence is your word that
# their terms fit your use.  The guard needs measured bounds for swapper and recogniser, or it
# keeps every picture in: `edged calibrate guard FOLDER` measures them on photos.
# [models]
# detectors = ["det_10g", "yunet"]
# embedder = "w600k_r50"
# swapper = "inswapper_128"
# restorer = "gfpgan_1.4"
# guard_recogniser = "w600k_mbf"
# accept_licence = ["det_10g", "w600k_r50", "w600k_mbf", "inswapper_128"]

# [runtime]
# require = "cuda"      # not to start on anything slower; "prefer" starts and says so

[isolation]
mode = "namespace"      # the engine gets no network at all, or it does not start.
                        # In a container that forbids namespaces: "seccomp".

[outbox]
retention_s = 86400     # results can be asked for again for a day, then they are gone
"""


def starter(host_name: str) -> str:
    """The text, with a device name made from the machine's."""
    name = re.sub(r"[^a-z0-9-]+", "-", host_name.lower().partition(".")[0]).strip("-")[:32]
    return STARTER.replace("@NAME@", name or "booth-1")
