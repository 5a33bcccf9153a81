"""A device that breaks promises on demand, for tests of what must notice it.

It speaks as the engine and the uplink do, runs no model, and gives a face back as it came at
the places that it was told, else a grey picture.
"""

import hashlib
import json
import threading
import uuid

import cv2
import numpy as np
import paho.mqtt.client as mqtt
import zmq
from paho.mqtt.enums import CallbackAPIVersion

from edged.privacy.egress import COMMENT_PREFIX, comment_segment


class LeakyDevice:
    """A context manager.

    Args:
        run_dir: for its sockets.
        port: of the broker.
        leaks: places where faces get out: "broker", "view", "reply".
        wrong: what it does with each second shot: "lose", "two places", "two contents",
            "gap", "stray", or "" for nothing.
    """

    def __init__(self, run_dir, port, leaks=(), wrong=""):
        self._leaks, self._wrong = leaks, wrong
        self._session, self._seq = str(uuid.uuid4()), 0
        self._context = zmq.Context()
        self._frames = self._context.socket(zmq.ROUTER)
        self._frames.bind(f"ipc://{run_dir}/frames.sock")
        self._view = self._context.socket(zmq.PUB)
        self._view.bind(f"ipc://{run_dir}/view.sock")
        self._mqtt = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._mqtt.connect("127.0.0.1", port)
        self._mqtt.loop_start()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._stop.set()
        self._thread.join()
        self._last.wait_for_publish(10)
        self._mqtt.disconnect()
        self._mqtt.loop_stop()
        self._frames.close(0)
        self._view.close(0)
        self._context.term()

    def _run(self):
        while not self._stop.is_set():
            if self._frames.poll(50):
                sender, head, payload = self._frames.recv_multipart()
                head = json.loads(head)
                if "shot" in head:
                    self._shot(sender, head["shot"], payload)
                else:
                    image = cv2.imdecode(np.frombuffer(self._out("view", payload), np.uint8), 1)
                    about = {"msg": head["camera"], "dtype": "uint8", "shape": image.shape}
                    self._view.send_multipart([json.dumps(about).encode(), image.tobytes()])

    def _out(self, place, payload, grey=127):
        if place in self._leaks:
            return payload
        shape = cv2.imdecode(np.frombuffer(payload, np.uint8), 1).shape
        return cv2.imencode(".jpg", np.full(shape, grey, np.uint8))[1].tobytes()

    def _shot(self, sender, shot, payload):
        self._seq += 1
        wrong = self._wrong if self._seq % 2 == 0 else ""
        verdict = {"v": 1, "verdict": "queued", "reason": "ok", "text": "", "id": shot,
                   "session": self._session, "seq": self._seq}  # fmt: skip
        reply = _named(shot, self._out("reply", payload))
        self._frames.send_multipart([sender, json.dumps(verdict).encode(), reply])
        if wrong == "lose":
            return
        if wrong == "gap":
            gap = {"session": self._session, "camera": "shots", "from": self._seq,
                   "to": self._seq, "reason": "overflow"}  # fmt: skip
            self._say("gap", json.dumps(gap).encode())
            return
        self._publish(shot, self._out("broker", payload), self._seq)
        if wrong == "two places":
            self._publish(shot, self._out("broker", payload), self._seq + 1_000_000)
        if wrong == "two contents":
            self._publish(shot, self._out("broker", payload, grey=90), self._seq)
        if wrong == "stray":
            self._publish(str(uuid.uuid4()), self._out("broker", payload), self._seq + 1_000_000)

    def _publish(self, shot, jpeg, seq):
        jpeg = _named(shot, jpeg)
        self._say("image", jpeg)
        doc = {"id": shot, "session": self._session, "camera": "shots", "seq": seq,
               "image": {"sha256": hashlib.sha256(jpeg).hexdigest()}}  # fmt: skip
        self._say("result", json.dumps(doc).encode())

    def _say(self, kind, payload):
        self._last = self._mqtt.publish(f"edged/test/booth-1/{kind}/shots", payload, qos=1)


def _named(shot, jpeg):
    """The picture with its shot's id inside, as the engine makes it."""
    return jpeg[:2] + comment_segment(COMMENT_PREFIX + shot.encode()) + jpeg[2:]
