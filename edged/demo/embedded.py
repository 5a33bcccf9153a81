"""`python -m edged.demo.embedded PORT`: a broker for machines without mosquitto.

amqtt, bound to the loopback, anonymous, in memory: good for a demo and nothing else.
Knows MQTT 3.1.1 only, so that the uplink shows its fall-back here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys

from amqtt.broker import Broker


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until SIGINT or SIGTERM."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await broker.start()
    await stop.wait()
    with contextlib.suppress(Exception):  # clients that are gone already make it complain
        await broker.shutdown()


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    asyncio.run(serve(int(sys.argv[1])))
