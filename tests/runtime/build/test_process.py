"""The bounds of a worker process, and what is said when one is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.errors import ConfigError, EngineError, FrameError, ModelError
from edged.runtime.build import jobs, room
from edged.runtime.build.heard import Heard, scrub
from edged.runtime.cuda_backend import CudaBackend
from edged.runtime.cuda_options import CudaSettings


def test_last_words_are_printable_and_name_no_home():
    """What a library wrote on stderr may go to a log."""
    home = str(Path.home()).encode()
    assert scrub(b"\x1b[31merror\x00 in " + home + b"/x\n\n  two \xff\n") == [
        "[31merror  in ~/x",
        "two \N{REPLACEMENT CHARACTER}",
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ModelError", ModelError),
        ("ConfigError", ConfigError),
        ("FrameError", EngineError),
        ("SystemExit", EngineError),
        ("EdgedError", EngineError),
        ("annotations", EngineError),
    ],
)
def test_a_worker_s_error_keeps_its_class(name, kind):
    """Classes of ours come through; anything else is an engine's."""
    made = jobs.make_error(name, "the text")
    assert type(made) is kind
    assert str(made) == "the text"
    assert not isinstance(made, FrameError)


def test_an_answer_of_another_form_is_an_error():
    """A worker of another version is told apart from a crash."""
    with pytest.raises(EngineError, match="different versions"):
        jobs.decode(b'{"type": "Fly"}', jobs.Trial)


def test_a_control_group_bounds_what_is_free(tmp_path):
    """In a container the group's limit counts; its page cache is given back in need."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/edged.service\n")
    group = groups / "edged.service"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(str(100 * room.MIB))
    (group / "memory.current").write_text(str(70 * room.MIB))
    (group / "memory.stat").write_text(f"anon 1\ninactive_file {20 * room.MIB}\n")
    assert room.free_memory_mb(proc, groups) == 50
    (group / "memory.max").write_text("max")
    assert room.free_memory_mb(proc, groups) > 50


def test_what_a_worker_says_is_bounded_and_checked():
    """Words of another kind are passed over; a line without end is an error."""
    told = []
    heard = Heard(lambda phase, share: told.append((phase, share)))
    heard.take_lines(b'["progress", "build", 0.5]\nnonsense\n["progress", 1, 2]\n[]\n["res')
    heard.take_lines(b'ult", {"a": 1}]\n')
    assert told == [("build", 0.5)]
    assert heard.result == b'{"a": 1}'
    with pytest.raises(EngineError, match="without end"):
        heard.take_lines(b"x" * (2 << 20))


def test_only_the_last_words_of_a_crash_are_kept():
    """However much a library wrote on stderr."""
    heard = Heard(lambda *_: None)
    for _ in range(100):
        heard.take_words(b"chatter " * 1000)
    heard.take_words(b"\nout of memory\n")
    assert heard.crash(-11) == 'killed by SIGSEGV; its last words: "out of memory"'


def test_a_worker_s_backend_has_the_asker_s_settings():
    """What is accepted is what will run: the settings of sessions travel with the job."""
    mine = CudaBackend(CudaSettings(tf32=True, memory_mb=512, options={"prefer_nhwc": "1"}))
    sent = jobs.decode(jobs.encode(jobs.maker(mine)), jobs.Maker)
    theirs = jobs.make_backend(sent)
    assert isinstance(theirs, CudaBackend)
    assert theirs.settings() == mine.settings()


def test_settings_that_change_results_are_facts_of_an_engine():
    """The defaults are not told, so that they may grow without a rebuild."""
    assert CudaSettings(memory_mb=5).numbers == {}
    found = CudaSettings(tf32=True, options={"b": "2", "a": "1"}).numbers
    assert found == {"TF32": "on", "provider options": "a=1, b=2"}


def test_a_backend_that_is_not_there_is_an_error():
    """A worker of another version is told, not a traceback."""
    with pytest.raises(EngineError, match="not a part of this edged"):
        jobs.make_backend(jobs.Maker(path="edged.runtime.nothing:Nothing"))


def test_memory_is_known_where_a_unit_hides_meminfo(tmp_path, monkeypatch):
    """Less exactly, but in the right order of magnitude."""
    before = room.total_memory_mb()
    monkeypatch.setattr("psutil.PROCFS_PATH", str(tmp_path))
    assert room.total_memory_mb() == pytest.approx(before, rel=0.1)
    assert 0 < room.free_memory_mb() <= room.total_memory_mb()
