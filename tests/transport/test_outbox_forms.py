"""A database that an older edged made is brought to the form of this one, whole or not at all."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing

import msgspec
import pytest
from outbox_kit import picture, put, result

from edged.errors import OperatorError
from edged.transport import outbox_forms
from edged.transport.outbox import Outbox, PurgeSelector
from edged.transport.outbox_rows import Place
from edged.transport.outbox_store import seal
from edged.transport.vault import Vault

FORM_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (camera TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    row INTEGER PRIMARY KEY AUTOINCREMENT,  -- also the order of the first hand-out
    kind TEXT NOT NULL,                     -- 'result' or 'gap'
    session TEXT NOT NULL,
    camera TEXT NOT NULL,
    seq INTEGER NOT NULL,                   -- of a gap: the first
    last INTEGER NOT NULL,                  -- of a result: seq again
    reason TEXT NOT NULL,                   -- of a gap
    state INTEGER NOT NULL,                 -- PENDING, ACKED, ASIDE
    again INTEGER NOT NULL,                 -- 1: published before, asked for again
    created_ms INTEGER NOT NULL,
    synced INTEGER NOT NULL,                -- was the clock synchronised
    bytes INTEGER NOT NULL,                 -- of document and picture, as stored
    slot INTEGER,                           -- of the key, for a result
    shot_mac BLOB                           -- of the id, for a result
);
CREATE INDEX rows_order ON rows (state, again, row);
CREATE INDEX rows_seq ON rows (session, camera, seq);
CREATE UNIQUE INDEX rows_once ON rows (session, camera, seq) WHERE kind = 'result';
CREATE INDEX rows_shot ON rows (shot_mac) WHERE shot_mac IS NOT NULL;
CREATE TABLE bodies (row INTEGER PRIMARY KEY, doc BLOB NOT NULL, picture BLOB NOT NULL);
CREATE TABLE consents (mac BLOB, row INTEGER, PRIMARY KEY (mac, row)) WITHOUT ROWID;
CREATE INDEX consents_row ON consents (row);
CREATE TABLE shots (
    mac BLOB PRIMARY KEY,
    payload_mac BLOB,                       -- NULL once purged
    verdict BLOB NOT NULL,                  -- JSON without the id
    row INTEGER,
    at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX shots_age ON shots (at_ms);
PRAGMA user_version=1;
"""
"""The tables of edged before form 2, as it wrote them."""
SESSION = uuid.UUID(int=7)
NOW_MS = 1_760_000_000_000


@pytest.fixture
def old(tmp_path):
    """A folder of form 1 with three results of one camera, the second one acknowledged."""
    folder = tmp_path / "o"
    folder.mkdir(mode=0o700)
    vault = Vault(folder / "outbox.keys")
    with closing(sqlite3.connect(folder / "outbox.db", isolation_level=None)) as conn:
        conn.execute("PRAGMA page_size=8192")
        conn.execute("PRAGMA auto_vacuum=INCREMENTAL")
        conn.execute("PRAGMA journal_mode=WAL")
        conn.executescript(FORM_1)
        conn.execute("INSERT INTO meta VALUES ('session', ?)", (SESSION.bytes,))
        conn.execute("INSERT INTO meta VALUES ('vault', ?)", (vault.vault_id,))
        conn.execute("INSERT INTO counters VALUES ('booth', 3)")
        for seq in (1, 2, 3):
            place, image = Place(str(SESSION), "booth", seq), picture()
            doc = result(image)
            doc.session, doc.seq = place.session, seq
            slot, key = vault.allocate()
            body = [
                seal(key, b"doc", msgspec.json.encode(doc), place),
                seal(key, b"picture", image.jpeg, place),
            ]
            conn.execute(
                "INSERT INTO rows VALUES (?, 'result', ?, 'booth', ?, ?, '', ?, 0, ?, 1, ?, ?, ?)",
                (seq, place.session, seq, seq, seq == 2, NOW_MS, sum(map(len, body)), slot,
                 vault.mac(b"shot", doc.id.encode())),
            )  # fmt: skip
            conn.execute("INSERT INTO bodies VALUES (?, ?, ?)", (seq, *body))
    vault.close()
    return folder


def clock():
    return NOW_MS / 1000


def form_of(path):
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute("PRAGMA user_version").fetchone()[0]


def test_an_older_database_goes_on_under_its_session(old):
    """Rows, states and numbers are as they were; the operator hears of it."""
    events = []
    box = Outbox.open(old, clock=clock, on_event=lambda *event: events.append(event))
    assert events == [("outbox-migrated", "", {"from": 1, "to": 2})]
    assert box.session == str(SESSION)
    assert [box.load(n).kind for n in box.pending(10)] == ["result", "result"]
    assert box.stats().retained == 1
    shot = put(box)
    assert box.lookup(shot, shot.encode()).verdict.seq == 4
    box.close()
    events.clear()
    Outbox.open(old, clock=clock, on_event=lambda *event: events.append(event)).close()
    assert events == []


def test_it_ends_as_a_new_one_begins(old, tmp_path):
    """Every table and index is the same, whichever way it came about."""
    Outbox.open(old, clock=clock).close()
    Outbox.open(tmp_path / "new").close()
    found = []
    for folder in (old, tmp_path / "new"):
        with closing(sqlite3.connect(folder / "outbox.db")) as conn:
            found.append(set(conn.execute("SELECT name, sql FROM sqlite_master")))
    assert found[0] == found[1]
    assert set(outbox_forms.STEPS) == set(range(1, outbox_forms.SCHEMA_VERSION))


def test_a_copy_of_the_old_form_stays_until_a_purge(old):
    """For whoever goes back; only its owner may read it, and it is whole."""
    box = Outbox.open(old, clock=clock)
    (copy,) = old.glob("outbox.db.form1-*")
    assert (form_of(copy), copy.stat().st_mode & 0o777) == (1, 0o600)
    with closing(sqlite3.connect(copy)) as conn:
        assert conn.execute("SELECT count(*) FROM bodies").fetchone() == (3,)
    box.purge(PurgeSelector(shot="11111111-1111-4111-8111-111111111111"))
    assert list(old.glob("*.form*")) == []
    box.close()


def test_a_step_that_fails_leaves_the_old_form(old, monkeypatch):
    """The device does not start; an edged whose steps work takes it as it was."""
    steps = {1: ("CREATE TABLE half (x)", "CREATE TABLE rows (x)")}
    with monkeypatch.context() as patched:
        patched.setattr(outbox_forms, "STEPS", steps)
        with pytest.raises(OperatorError, match="cannot be opened"):
            Outbox.open(old, clock=clock)
    assert form_of(old / "outbox.db") == 1
    assert list(old.glob("*.damaged-*")) == []
    box = Outbox.open(old, clock=clock)
    assert len(box.pending(10)) == 2
    assert box._store.one("SELECT count(*) FROM sqlite_master WHERE name='half'") == 0
    box.close()


def test_without_room_for_a_copy_it_is_migrated_all_the_same(old, monkeypatch):
    """One transaction is safe without it; a full disk must not keep a device from starting."""
    monkeypatch.setattr(outbox_forms, "_SPARE_BYTES", 1 << 60)
    box = Outbox.open(old, clock=clock)
    assert len(box.pending(10)) == 2
    assert list(old.glob("*.form*")) == []
    box.close()
