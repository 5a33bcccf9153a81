"""One booted machine for all tests of a file, with edged in `/opt/edged` and nothing installed."""

from __future__ import annotations

import pytest
from service.boot.machine import BootError, Machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A skip says why none can be booted here: containers are not every machine's to give."""
    made = Machine(tmp_path_factory.mktemp("boot"))
    try:
        made.__enter__()
    except BootError as error:
        pytest.skip(f"no machine can be booted here: {error}")
    yield made
    made.__exit__()
