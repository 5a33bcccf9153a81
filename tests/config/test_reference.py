"""The reference says all and nothing else."""

from __future__ import annotations

from typing import get_args

import msgspec

from edged.config.reference import meanings_of, reference
from edged.config.schema import Config, OutboxTable
from edged.tables import keys


def test_every_key_has_a_meaning():
    """A key without a line in its struct's docstring is not documented."""
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) >= len(list(keys(Config))) - 1  # one key is a list of tables
    for row in rows:
        assert len(row.split(" | ")[-1].strip(" |")) > 5, row


def structs(cls):
    """A struct and all that are in it."""
    yield cls
    for info in msgspec.structs.fields(cls):
        for kind in (info.type, *get_args(info.type)):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                yield from structs(kind)


def test_no_meaning_is_left_over():
    """A docstring does not speak of a key that is gone."""
    found = list(structs(Config))
    assert len(found) > 12
    for cls in found:
        assert set(meanings_of(cls)) <= set(cls.__struct_fields__), cls


def test_keys_of_an_extended_struct_keep_their_meaning():
    """The outbox's own limits are described where they are defined."""
    assert "replayable" in meanings_of(OutboxTable)["retention_s"]
    assert "state folder" in meanings_of(OutboxTable)["folder"]


def test_a_table_reads_as_markdown():
    """Heading, header, rows; choices and defaults are shown."""
    text = reference()
    assert "#### `[broker.tls]`" in text
    assert "#### `[[frames.imagezmq_subscribe]]`" in text
    assert '| `mode` | `"namespace"` of `"namespace"`, `"seccomp"`, `"off"` |' in text
