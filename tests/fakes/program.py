"""A program that does as its arguments say: `key=value`, times in seconds.

name=engine ready=0.1 pet=0.1 end=0.5 code=1 stop=graceful|deaf crash_file=PATH
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from edged.transport.notify import Notifier

options = dict(word.split("=", 1) for word in sys.argv[1:])
name, notifier, stop = options["name"], Notifier(), threading.Event()


def say(text):
    os.write(1, f"<{name}> {text}\n".encode())  # whole lines, whoever else writes


def on_term(number, _frame):
    say(f"got {signal.Signals(number).name}")
    if options.get("stop") != "deaf":
        stop.set()


signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGINT, on_term)
say(f"up {os.getpid()}")
notifier.status(options.get("status", "loading models"))
if "ready" in options:
    time.sleep(float(options["ready"]))
    notifier.ready("in place")
if "pet" in options:
    notifier.alive()
if "end" in options and not stop.wait(float(options["end"])):
    code = int(options.get("code", "1"))
    os.kill(os.getpid(), -code) if code < 0 else os._exit(code)
stop.wait()
say("bye")
sys.exit(int(options.get("exit", "0")))
