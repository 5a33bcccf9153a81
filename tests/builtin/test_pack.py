"""What `edged.builtin.pack` promises."""

import subprocess
import sys

import onnx
import pytest

from edged.builtin import pack

NAMES = ("builtin_recogniser", "builtin_swapper", "builtin_restorer")


def test_the_files_are_written_under_their_names(tmp_path):
    """Each file lies in the folder, which is made, and is what pack_bytes gives."""
    written = pack.write_pack(tmp_path / "new")
    assert tuple(written) == NAMES
    for name, path in written.items():
        assert path == tmp_path / "new" / f"{name}.onnx"
        assert path.read_bytes() == pack.pack_bytes(name)


def test_nothing_else_is_left_behind(tmp_path):
    """No part files stay in the folder, also when the files were there before."""
    pack.write_pack(tmp_path)
    pack.write_pack(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.onnx" for name in NAMES}


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    """When a builder breaks, the file that was there stays and no part is left."""
    old = tmp_path / "builtin_recogniser.onnx"
    old.write_bytes(b"old")

    def broken():
        raise RuntimeError("broken")

    monkeypatch.setitem(pack._BUILDERS, "builtin_recogniser", broken)
    with pytest.raises(RuntimeError, match="broken"):
        pack.write_pack(tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_the_bytes_are_the_same_in_another_process():
    """Hashes do not depend on the run."""
    code = (
        "import hashlib; from edged.builtin.pack import pack_bytes;"
        f"print([hashlib.sha256(pack_bytes(n)).hexdigest() for n in {NAMES}])"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_checker_passes_each_file(name):
    """Each is a valid model for old runtimes, with a free batch size."""
    model = onnx.load_from_string(pack.pack_bytes(name))
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version <= 9
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


def test_the_pack_is_small():
    """All files together take less than 3 MB."""
    assert sum(len(pack.pack_bytes(name)) for name in NAMES) < 3_000_000
