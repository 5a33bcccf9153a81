"""A process that is asked: what it said and how it ended, whatever it does."""

import pytest

from edged.runtime.child import ask_child


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        ("import os; print('said', flush=True); os.kill(os.getpid(), 11)", "SIGSEGV (signal 11)"),
        ("print('said', flush=True); raise SystemExit(3)", "code 3"),
        ("import time; print('said', flush=True); time.sleep(60)", "no answer in 1 s"),
    ],
)
def test_how_a_child_ended_is_told_beside_what_it_said(script, ended):
    """It may crash or hang: this process does not."""
    answer = ask_child(script, "", 1.0)
    assert answer.said.strip() == "said"
    assert ended in answer.ended
    assert answer.hung is ("no answer" in ended)


def test_a_child_reads_what_it_is_given_and_sees_its_variables():
    """Nothing goes over the command line, which everybody on the machine can read."""
    script = "import os, sys; print(sys.stdin.read(), os.environ.get('HOW'), sys.path[0])"
    answer = ask_child(script, "asked", 20.0, {"HOW": "so", "PYTHONPATH": "/nowhere"})
    assert answer.said.startswith("asked so ")
    assert "nowhere" not in answer.said
    assert answer.ended == "its process ended with code 0"
