"""Whether pictures can be signed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from c2pa_kit import certificates
from doctor_kit import FakeHost, ids, only, setup

from edged.doctor.checks.provenance import look

CERT = "/etc/edged/c2pa.pem"
SIGNING = setup(
    replace={"[outbox]": f'[provenance]\ncert_file = "{CERT}"\nkey_file = "/k"\n[outbox]'}
)


def host(root, tmp_path, *, packages=(("c2pa-python", "0.38.1"),), text=None, **made):
    if text is None:
        text = Path(certificates(tmp_path / "c", **made)[0]).read_text()
    return FakeHost(root, files={CERT: text}, packages=packages, now_s=time.time)


def test_without_a_certificate_there_is_nothing_to_look_at(root):
    """The source type needs none."""
    assert ids(look(FakeHost(root), setup())) == {}


@pytest.mark.parametrize(
    ("days", "level", "said"),
    [(365.0, "ok", "364 days"), (9.5, "warn", "runs out in 9 days"), (-2.0, "fail", "ran out on")],
)
def test_the_certificates_dates_are_judged(root, tmp_path, days, level, said):
    """Long before a booth stops."""
    found = only(look(host(root, tmp_path, days=days), SIGNING))
    assert (found.id, found.level) == ("provenance.dates", level)
    assert said in found.what.replace("365 days", "364 days")
    assert found.data["days_left"] == pytest.approx(days, abs=0.2)


def test_a_clock_in_the_past_makes_it_not_valid_yet(root, tmp_path):
    """As on a board without a battery."""
    early = host(root, tmp_path)
    early.now_s = lambda: 1_000_000_000.0
    found = only(look(early, SIGNING))
    assert found.level == "fail"
    assert "not valid before" in found.what


def test_a_missing_library_comes_with_its_command(root, tmp_path):
    """Beside what is said of the certificate."""
    found = {one.id: one for one in look(host(root, tmp_path, packages=(), days=365.0), SIGNING)}
    assert found["provenance.missing"].level == "fail"
    assert "c2pa-python" in found["provenance.missing"].cure[0]
    assert found["provenance.dates"].level == "ok"


def test_a_file_without_a_certificate_fails(root, tmp_path):
    """It is named."""
    found = only(look(host(root, tmp_path, text="hello"), SIGNING))
    assert (found.id, found.level, found.where) == ("provenance.certificate", "fail", CERT)
