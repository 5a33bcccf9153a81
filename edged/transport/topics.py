"""The MQTT topics of one device, written down once.

Knows names only: no broker, no payload.
"""

from __future__ import annotations

import re
from typing import get_args

from edged.transport.wire import NAME, Command, DocTopic

PREFIX = "edged"
_NAME = re.compile(NAME)
_COMMANDS: frozenset[str] = frozenset(get_args(Command))


def is_name(text: str) -> bool:
    """Whether `text` may be a level of a topic: a configured name's form."""
    return _NAME.fullmatch(text) is not None


class Topics:
    """All topics under `edged/<site>/<device>/`.

    Args:
        site, device: names of the form of :data:`edged.transport.wire.NAME`.

    Raises:
        ValueError: when one of them is of another form.
    """

    def __init__(self, site: str, device: str) -> None:
        for what, name in (("site", site), ("device", device)):
            if not is_name(name):
                raise ValueError(f"the {what}'s name is not of the form {NAME}")
        self.base = f"{PREFIX}/{site}/{device}"
        self.status = f"{self.base}/status"
        self.commands = f"{self.base}/cmd/+"

    def doc(self, topic: DocTopic) -> str:
        """Topic of a document about the device."""
        return f"{self.base}/{topic}"

    def result(self, camera: str) -> str:
        """Topic of a camera's results."""
        return f"{self.base}/result/{camera}"

    def image(self, camera: str) -> str:
        """Topic of a camera's pictures."""
        return f"{self.base}/image/{camera}"

    def gap(self, camera: str) -> str:
        """Topic of a camera's missing sequence numbers."""
        return f"{self.base}/gap/{camera}"

    def command(self, name: str) -> str:
        """Topic on which a command is given."""
        return f"{self.base}/cmd/{name}"

    def reply(self, name: str) -> str:
        """Topic on which a command is answered."""
        return f"{self.base}/reply/{name}"

    def command_of(self, topic: str) -> Command | None:
        """The command that a message's topic stands for; None when there is no such one."""
        name = topic.removeprefix(f"{self.base}/cmd/")
        return name if name in _COMMANDS else None  # type: ignore[return-value]
