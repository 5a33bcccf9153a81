"""Device nodes and the groups that may open them."""

from __future__ import annotations

import os

from doctor_kit import CARD_FILES, ORIN_FILES, FakeHost, ids, node, only, setup

from edged.doctor.box import User
from edged.doctor.checks.nodes import look

STRANGER = User("edged", 4711, frozenset({4711}))
CARD = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0")


def card(root, mode=0o666, nodes=CARD, **more):
    host = FakeHost(root, files={**CARD_FILES, **more.pop("files", {})}, user=STRANGER, **more)
    for name in nodes:
        node(host, name, mode)
    return host


def test_nodes_that_anybody_may_open_are_well(root):
    """A PC's usual state."""
    assert ids(look(card(root), setup())) == {"nodes.open": "ok"}


def test_a_machine_without_a_gpu_has_nothing_to_say(root):
    """No GPU, no nodes."""
    assert ids(look(FakeHost(root), setup())) == {}


def test_a_missing_uvm_node_is_made_at_boot(root):
    """A sandbox cannot make it: the module is loaded beforehand."""
    found = only(look(card(root, nodes=("/dev/nvidiactl", "/dev/nvidia0")), setup()))
    assert (found.id, found.level) == ("nodes.missing", "warn")
    assert found.cure[0] == "sudo nvidia-modprobe -u -c 0"


def test_a_container_without_the_gpu_is_told_to_pass_it(root):
    """The nodes are outside, and no command inside helps."""
    found = only(look(card(root, nodes=(), files={"/.dockerenv": ""}), setup()))
    assert found.cure == ()
    assert "--gpus all" in found.advice


def test_shut_nodes_name_the_group_that_opens_them(root):
    """The cure adds the user to the group that owns the node."""
    host = card(root, 0o660)
    for name in CARD:
        os.chown(host.at(name), 0, 44) if os.geteuid() == 0 else None
    found = only(look(host, setup()))
    assert (found.id, found.level) == ("nodes.denied", "warn")
    assert found.data["denied"] == sorted(CARD, key=CARD.index)
    if os.geteuid() == 0:
        assert found.cure == (f"sudo usermod -aG {host.group_name(44)} edged",)


def test_a_jetsons_memory_node_is_for_reading_only(root):
    """/dev/nvmap has mode 0440: whoever may read it has all that there is."""
    host = FakeHost(root, files=ORIN_FILES, user=User("edged", 4711, frozenset({os.getegid()})))
    node(host, "/dev/nvmap", 0o440)
    assert ids(look(host, setup())) == {"nodes.open": "ok"}


def test_a_jetsons_render_node_counts_too(root):
    """Since JetPack 6 CUDA opens it, and its group is another one."""
    host = FakeHost(root, files=ORIN_FILES, user=STRANGER)
    node(host, "/dev/nvmap", 0o444)
    node(host, "/dev/dri/renderD128", 0o660)
    assert only(look(host, setup())).data["denied"] == ["/dev/dri/renderD128"]
