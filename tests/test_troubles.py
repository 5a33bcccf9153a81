"""Every reason that a device can give has a sentence that says what to do."""

from __future__ import annotations

import ast
import re

import pytest

from edged.daemon.checks import ALL
from edged.runtime.build.store import Missing
from edged.troubles import ASK_DOCTOR, REMEDIES, RUNTIME_REMEDIES, RUNTIMES, known, remedy

SLUG = re.compile(r"[a-z]+(-[a-z]+)+|starting")
CALLS = {"trouble": 1, "_trouble": 1, "_end": 0}
"""Calls that name a reason, and which of their arguments does."""
FINDINGS = ("Finding", "Refusal")


def words(node):
    """Strings in an expression that look like reasons."""
    found = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {one for one in found if isinstance(one, str) and SLUG.fullmatch(one)}


def called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def reasons_of(tree):
    """What a module can set: in calls, in attributes and in properties named for it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            place = CALLS.get(called(node))
            if called(node) == "trouble" and len(node.args) == 1:
                place = 0
            if place is not None and len(node.args) > place:
                found |= words(node.args[place])
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {getattr(part, "attr", getattr(part, "id", ""))
                     for target in targets for part in ast.walk(target)}  # fmt: skip
            if names & {"trouble", "_untested", "not_wished", "_mishap"} and node.value:
                found |= words(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name in {"trouble", "_word"}:
            found |= {word for part in ast.walk(node) if isinstance(part, ast.Return)
                      for word in words(part)}  # fmt: skip
    return found


@pytest.fixture(scope="module")
def trees(request):
    root = request.config.rootpath / "edged"
    folders = ("daemon", "runtime", "privacy", "transport")
    return {path: ast.parse(path.read_text()) for folder in folders
            for path in sorted((root / folder).rglob("*.py"))}  # fmt: skip


def test_every_reason_in_the_code_has_a_remedy(trees):
    """Found by reading the code; the known ones prove that the reading works."""
    found = {reason for tree in trees.values() for reason in reasons_of(tree)}
    assert found >= {
        "uplink-absent", "pipeline-thread-ended", "outbox-error", "guard-not-calibrated",
        "builtin-barred", "self-test-failed", "frames-failing", "crash-loop", "gpu-lost",
        "model-out-of-memory", "model-failing", "engine-load-failed", "model-replaced",
        "signing-failed", "stage-stuck", "engine-silent", "starting", "runtime-not-wished",
    }  # fmt: skip
    assert {reason for reason in found if reason not in REMEDIES} == set()


def test_every_reason_of_a_runtime_has_a_remedy(trees):
    """Whatever its findings are called."""
    slugs = set()
    for path, tree in trees.items():
        if "runtime" in path.parts:
            slugs |= {word for node in ast.walk(tree) if isinstance(node, ast.Call)
                      and called(node) in FINDINGS and node.args
                      for word in [getattr(node.args[0], "value", "")]
                      if isinstance(word, str)}  # fmt: skip
    assert slugs >= {"no-driver", "wrong-sm", "unusable", "unknown-option"}
    states = set(re.findall(r'"([a-z]+)"', Missing.__doc__))
    assert states >= {"absent", "stale", "damaged", "built", "rejected"}
    slugs |= {f"engine-{state}" for state in (*states, "unbuildable")}
    assert {slug for slug in slugs - {""} if not known(f"tensorrt-rtx-{slug}")} == set()


def test_every_reason_of_a_check_has_a_remedy():
    """And no reason is set by two checks."""
    reasons = [reason for check in ALL for reason in check.reasons]
    assert len(set(reasons)) == len(reasons)
    assert set(reasons) <= set(REMEDIES)


@pytest.mark.parametrize("text", [*REMEDIES.values(), *RUNTIME_REMEDIES.values()])
def test_a_remedy_is_a_sentence(text):
    """That fits a line of a page."""
    assert text[0].isupper() or text[0] == "`"
    assert text.endswith(".")
    assert len(text) < 200


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_runtime_s_name_is_no_part_of_the_remedy(name):
    """The same cause has the same cure."""
    assert remedy(f"{name}-no-driver") == RUNTIME_REMEDIES["no-driver"]


def test_a_reason_that_nobody_knows_leads_to_the_doctor():
    """As from a newer device."""
    assert remedy("made-up") == ASK_DOCTOR == remedy("cuda-made-up")
