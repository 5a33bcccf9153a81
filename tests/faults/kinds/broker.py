"""A broker that forgets, limits, forbids, mistrusts, or lets a double in."""

from __future__ import annotations

import time
import uuid

import paho.mqtt.client as mqtt
from faults.kinds import Kind
from paho.mqtt.enums import CallbackAPIVersion


def forget(site, _chance):
    """It begins anew with no session, while the device's connection was down."""
    site.proxy.cut()
    site.broker.restart()
    site.proxy.heal()


def shrink(site, chance):
    """For a while it takes small packets only: some pictures fit, some do not."""
    site.broker.restart_with_limit(chance.randrange(8_000, 24_000))
    time.sleep(chance.uniform(1.0, 2.0))
    site.broker.restart_with_limit(0)


def forbid(site, chance):
    """For a while the device may not publish pictures, or results, or both."""
    kinds = chance.choice((["image"], ["result"], ["image", "result"]))
    site.broker.deny(*(f"edged/+/+/{kind}/#" for kind in kinds))
    time.sleep(chance.uniform(1.0, 2.0))
    site.broker.deny()


def double(site, chance):
    """Another client comes with the device's name and takes its session over, several times."""
    for _ in range(chance.randrange(1, 4)):
        clone = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="booth-1",
            protocol=chance.choice((mqtt.MQTTv5, mqtt.MQTTv311)),
        )  # fmt: skip
        clone.connect(site.broker.host, site.broker.port)
        clone.loop_start()
        time.sleep(chance.uniform(0.2, 0.6))
        clone.disconnect()
        clone.loop_stop()


def mistake_the_word(site, chance):
    """The device's copy of its password is wrong when it has to connect again."""
    good = site.broker.word_file.read_text()
    site.broker.word_file.write_text(uuid.uuid4().hex)
    refused = site.broker.log.count("not authorised")
    site.proxy.drop()
    site.until(lambda: site.broker.log.count("not authorised") > refused, 15, "a refusal")
    time.sleep(chance.uniform(0.0, 0.5))
    site.broker.word_file.write_text(good)


def expire(site, chance):
    """Its certificate has ended when the device connects again."""
    site.broker.show(expired=True)
    before = site.proxy.accepted
    site.proxy.drop()
    site.until(lambda: site.proxy.accepted > before + 1, 15, "the device tries more than once")
    time.sleep(chance.uniform(0.0, 0.5))
    site.broker.show(expired=False)


def dawdle(site, chance):
    """Its acknowledgements take seconds, and stop for a moment."""
    site.proxy.slow(chance.uniform(30, 120), up=False)
    time.sleep(chance.uniform(1.5, 2.5))
    site.broker.pause()
    time.sleep(chance.uniform(0.1, 0.5))
    site.broker.resume()
    site.proxy.heal()


KINDS = (
    Kind("broker restarted, sessions lost", forget),
    Kind("broker with a small packet limit", shrink, may_gap=True),
    Kind("access rules deny pictures or results", forbid, may_gap=True),
    Kind("cloned client id", double),
    Kind("wrong password for a while", mistake_the_word),
    Kind("broker's certificate expired", expire, broker="tls"),
    Kind("broker acknowledges slowly", dawdle),
)  # fmt: skip
