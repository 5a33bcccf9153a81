"""Files for a mosquitto that serves devices: who may read and write what, and over what.

A device's name at the broker is `SITE/NAME`, from its certificate or its login, so that a
pattern rule is exact: it writes below its own topics and reads its own commands, and a
stolen device can neither see nor play another one.  Written from the topics' own list.
Knows texts only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_args

from edged import __version__
from edged.errors import ConfigError
from edged.fleet.export import homeassistant
from edged.transport.topics import PREFIX, is_name
from edged.transport.wire import DocTopic

FOLDER = "/etc/mosquitto/edged"
PORT = 8883
PEOPLE_PORT = 8884
WRITES: tuple[str, ...] = (*get_args(DocTopic), "result/+", "image/+", "gap/+", "reply/+")
"""Below a device's base topic, by the device alone."""
COMMANDS = "cmd/+"
_PERSON = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


def acl(
    operators: Sequence[str],
    viewers: Sequence[str],
    site: str = "",
    folder: str = FOLDER,
    announcers: Sequence[str] = (),
) -> str:
    """Text of an ACL file.

    Args:
        operators: user names that read everything and give commands.
        viewers: user names that read all but commands.
        site: of a broker for one site, where a device's name is `NAME` alone.
        folder: where the files lie on the broker.
        announcers: user names of Home Assistant and of `edged fleet announce`.

    Raises:
        ConfigError: a name could be a device's, or is of another form.
    """
    if site and not is_name(site):
        raise ConfigError(f"--site {site!r}: a site's name is 1 to 32 of a-z, 0-9 and '-'")
    for name in (*operators, *viewers, *announcers):
        if _PERSON.fullmatch(name) is None or (site and is_name(name)):
            raise ConfigError(
                f"{name!r}: no name for a person here; use A-Z, a-z, 0-9 and ._@- , and with "
                "--site a capital or a point in it, so that no device can have the same"
            )
    own = f"{PREFIX}/{site}/%u" if site else f"{PREFIX}/%u"
    every = f"{PREFIX}/{site or '+'}/+"
    device = f"NAME, of the site {site}" if site else "SITE/NAME"
    lines = [
        f"# Who may read and write what at a mosquitto for edged {__version__}.",
        "# Made by `edged broker acl`; make it again after an update of edged.",
        f"# Put it at {folder}/acl, owned by mosquitto, mode 0600 (`edged broker conf` names it),",
        "# and reload the broker: systemctl reload mosquitto",
        "",
        f"# Devices. The broker knows each as {device}: by its certificate (CN), or by",
        "# broker.username. It writes what is its own, and reads its own commands alone.",
        *[f"pattern write {own}/{topic}" for topic in WRITES],
        f"pattern read {own}/{COMMANDS}",
    ]
    for name in operators:
        lines += ["", f"# {name} sees everything and gives commands.", f"user {name}"]
        lines += [f"topic read {every}/{topic}" for topic in WRITES]
        lines.append(f"topic write {every}/{COMMANDS}")
    for name in viewers:
        lines += ["", f"# {name} sees everything, pictures too, and gives no commands.",
                  f"user {name}"]  # fmt: skip
        lines += [f"topic read {every}/{topic}" for topic in WRITES]
    for name in announcers:
        lines += ["", f"# {name} is Home Assistant and `edged fleet announce`: it sees everything,",
                  "# has its own topics, and gives the commands of its buttons.",
                  f"user {name}"]  # fmt: skip
        lines += [f"topic read {every}/{topic}" for topic in WRITES]
        lines += [f"topic write {every}/cmd/{button[0]}" for button in homeassistant.BUTTONS]
        lines.append(f"topic readwrite {homeassistant.PREFIX}/#")
    return "\n".join([*lines, ""])


def conf(folder: str = FOLDER, port: int = PORT, people_port: int = PEOPLE_PORT) -> str:
    """Text of a configuration with a listener for devices and one for people, both with TLS.

    Args:
        folder: where certificates, passwords and ACL lie on the broker.
        port: for devices: mutual TLS, and no passwords.
        people_port: for people and dashboards: TLS and a password.
    """
    return _CONF.format(version=__version__, folder=folder, port=port, people_port=people_port)


_CONF = """\
# A mosquitto for edged {version}: devices by certificate, people by password, TLS for both.
# Made by `edged broker conf`. Put it at /etc/mosquitto/conf.d/edged.conf, then:
#
#   1. Certificates, on a machine that is kept safe (its ca.key signs devices):
#
#      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \\
#        -subj "/CN=edged devices" -keyout ca.key -out ca.pem
#
#      The broker, by the name that devices have in broker.host:
#
#      openssl req -x509 -CA ca.pem -CAkey ca.key -newkey ec \\
#        -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj "/CN=broker.example.org" \\
#        -addext "subjectAltName=DNS:broker.example.org" \\
#        -addext "basicConstraints=critical,CA:FALSE" -keyout broker.key -out broker.pem
#
#      Each device, by [device] site and name of its edged.toml, with a backslash between
#      (with `edged broker acl --site` by its name alone):
#
#      openssl req -x509 -CA ca.pem -CAkey ca.key -newkey ec \\
#        -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj "/CN=museum\\/booth-7" \\
#        -addext "basicConstraints=critical,CA:FALSE" -keyout booth-7.key -out booth-7.pem
#
#   2. ca.pem, broker.pem and broker.key to {folder}, readable for mosquitto alone.
#   3. edged broker acl --out {folder}/acl
#   4. mosquitto_passwd -c {folder}/passwords operator     (and without -c: dashboard)
#   5. systemctl restart mosquitto
#   6. On each device, ca.pem and its two files, and in edged.toml:
#
#      [broker]
#      host = "broker.example.org"
#      [broker.tls]
#      ca_file = "/etc/edged/ca.pem"
#      cert_file = "/etc/edged/booth-7.pem"
#      key_file = "$CREDENTIALS_DIRECTORY/device-key.pem"     # or a path
#
# A stolen device: put its certificate on a list of revoked ones (crlfile), restart.

allow_anonymous false
acl_file {folder}/acl
password_file {folder}/passwords

# What a device or a consumer has not got yet outlives a restart of the broker.
persistence true
autosave_interval 60
# The default is 1000 messages for each client that is away, and drops silently beyond.
max_queued_messages 100000

# Devices. The certificate's CN is the user name, and that is the client id: nobody without
# the key can take a device's place.
listener {port}
cafile {folder}/ca.pem
certfile {folder}/broker.pem
keyfile {folder}/broker.key
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
#crlfile {folder}/revoked.pem

# People and dashboards: a user name of the ACL and its password.
listener {people_port}
cafile {folder}/ca.pem
certfile {folder}/broker.pem
keyfile {folder}/broker.key
tls_version tlsv1.2
"""
