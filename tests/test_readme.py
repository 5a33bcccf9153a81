"""The README says what is so: its configuration reference is the command's own words.

`python tests/test_readme.py` writes the reference into the README again.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
_BEGIN, _END = (f"<!-- {word}: edged config reference -->" for word in ("begin", "end"))
_PICTURE_MAX_BYTES = 300_000


def reference() -> str:
    return subprocess.run(
        [sys.executable, "-m", "edged", "config", "reference"],
        capture_output=True, text=True, check=True, cwd=README.parent,
    ).stdout.strip()  # fmt: skip


def test_the_configuration_reference_is_current():
    """What stands between the marks is what `edged config reference` prints."""
    text = README.read_text(encoding="utf-8")
    written = text.split(_BEGIN)[1].split(_END)[0].strip()
    assert written == reference(), "run: python tests/test_readme.py"


def test_links_within_the_repository_lead_somewhere():
    """Every relative link of the README names a file, and every #anchor a heading."""
    text = README.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text)
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert targets
    assert [path for path, _ in targets if path and not (README.parent / path).is_file()] == []
    assert [anchor for _, anchor in targets if anchor and anchor not in headings] == []


def test_the_picture_is_small():
    """The README's picture loads at once."""
    assert (README.parent / "edged/demo/readme.jpg").stat().st_size < _PICTURE_MAX_BYTES


def test_the_first_screen_says_it_all():
    """The two commands and the picture come within the first 40 lines."""
    top = "\n".join(README.read_text(encoding="utf-8").splitlines()[:40])
    for must in ("make demo", "make test", "readme.jpg"):
        assert must in top


if __name__ == "__main__":
    before, rest = README.read_text(encoding="utf-8").split(_BEGIN)
    after = rest.split(_END)[1]
    README.write_text(f"{before}{_BEGIN}\n{reference()}\n{_END}{after}", encoding="utf-8")
