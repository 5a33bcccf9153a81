"""A booth whose engine and uplink run under `edged run`."""

from __future__ import annotations

import os
import subprocess
import sys

from booth import Booth


class Supervised(Booth):
    """`engine` is the supervisor here: who kills it kills all."""

    def start_engine(self, *, wait=True):
        away = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "EDGED_RUN_DIR")
        clean = {key: value for key, value in os.environ.items() if key not in away}
        self.engine = subprocess.Popen(
            [sys.executable, *self._edged("run")], stdout=self.log, stderr=self.log, env=clean,
            start_new_session=True,
        )  # fmt: skip
        if wait:
            self.wait_engine()

    def start_uplink(self):
        """The supervisor does."""
