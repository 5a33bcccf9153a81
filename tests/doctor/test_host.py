"""The machine as checks see it."""

from __future__ import annotations

import os
import threading

import pytest

from edged.doctor.box import Ran, User, existing
from edged.doctor.host import Host

STRANGER = User("stranger", 4711, frozenset({4711}))


def test_files_are_looked_for_below_the_root(tmp_path):
    """Absolute paths and patterns name what is in the folder that stands for `/`."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "model").write_text("Jetson\x00\n")
    host = Host(tmp_path)
    assert host.text("/etc/model") == "Jetson"
    assert host.text("/etc/none") is None
    assert host.names("/etc/*") == ["/etc/model"]
    assert host.exists("/etc/model")
    assert not host.exists("/etc/none")


@pytest.mark.parametrize(
    ("mode", "lacks"),
    [(0o666, ""), (0o660, "rw"), (0o644, "w"), (0o440, "r"), (0o444, ""), (0o000, "rw")],
)
def test_a_node_is_shut_by_its_mode(tmp_path, mode, lacks):
    """A node for reading only lacks nothing to whoever may read it."""
    (tmp_path / "node").touch()
    (tmp_path / "node").chmod(mode)
    assert Host(tmp_path, user=STRANGER).lacks("/node") == lacks


def test_the_group_of_a_node_opens_it(tmp_path):
    """Membership is what the cure gives."""
    (tmp_path / "node").touch(mode=0o660)
    (tmp_path / "node").chmod(0o660)
    member = User("member", 4711, frozenset({(tmp_path / "node").stat().st_gid}))
    assert Host(tmp_path, user=member).lacks("/node") == ""


def test_the_system_is_asked_for_this_processs_own_user(tmp_path):
    """It knows access lists and capabilities."""
    (tmp_path / "node").touch()
    assert Host(tmp_path, user=User.current()).lacks("/node") == ""
    assert User.current().uid == os.geteuid()


def test_a_process_that_answers_is_heard():
    """Its last line counts; what libraries print before it does not."""
    host = Host()
    assert host.ask("print('chatter'); print('{\"a\": 1}')") == {"a": 1}


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import os; os.kill(os.getpid(), 11)", "was killed by signal 11"),
        ("raise SystemExit(3)", "ended with 3"),
        ("print('no answer')", "ended with 0"),
        ("print('[1]')", "ended with 0"),
        ("import time; time.sleep(60)", "gave no answer in time"),
    ],
)
def test_a_process_that_does_not_answer_says_how_it_ended(code, how):
    """A crash or a hang is an answer, too."""
    assert Host().ask(code, timeout_s=1 if "sleep" in code else 20) == {"died": how}


def test_an_absent_program_ends_as_in_a_shell():
    """127, and no exception."""
    assert Host().run(["/nowhere/nothing"]).code == 127
    assert Ran(127).ending == "ended with 127"


def test_what_is_asked_once_is_made_once():
    """Checks that run at the same time share one answer."""
    host, made, gate = Host(), [], threading.Barrier(4)

    def make():
        made.append(1)
        return len(made)

    got = []

    def ask():
        gate.wait()
        got.append(host.once("key", make))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [1, 1, 1, 1]


def test_owners_are_found_by_the_files_that_they_brought():
    """One headless OpenCV brought cv2 here, whatever else asks for it."""
    names = [package.name for package in Host().owners("cv2/__init__.py")]
    assert names == ["opencv-python-headless"]
    assert Host().packages()["opencv-python-headless"].version.startswith("4.")


def test_a_folder_that_is_not_there_yet_counts_where_it_will_be(tmp_path):
    """The nearest one above it."""
    assert existing(tmp_path / "a" / "b") == tmp_path
    assert Host(tmp_path).free_bytes(tmp_path.__class__("/a/b")) > 0


def test_a_user_who_is_not_there_is_an_error():
    """A typing mistake must not look at the machine as nobody."""
    with pytest.raises(KeyError):
        User.named("nobody-of-this-name")
    assert User.named("root").uid == 0
