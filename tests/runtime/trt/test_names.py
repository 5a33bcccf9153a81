"""The version branches against NVIDIA's own bindings.

10.3, 10.16 and 11.4 as installed from wheels; 8.6 as its bindings told once
(tests/native/surface-8.6.json), because its wheel has 819 MB.
"""

import json
import subprocess
import sys
import types
from pathlib import Path

import native_kit
import pytest
import trt_surface
from trt_surface import CLASSES, Members, Module

import edged.runtime.trt
from edged.errors import EngineError
from edged.runtime.trt import names

VERSIONS = ("8.6", *native_kit.VERSIONS)
USES = trt_surface.uses(Path(edged.runtime.trt.__file__).parent)


@pytest.fixture(scope="module")
def told(native_tree):
    """`told("10.3")`: a version's surface."""
    known = {}

    def ask(version):
        if version == "8.6":
            return json.loads((native_kit.SOURCES / "surface-8.6.json").read_text())
        if version not in known:
            done = subprocess.run(
                [sys.executable, trt_surface.__file__],
                env=native_kit.environment(native_tree(version)),
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            known[version] = json.loads(done.stdout)
        return known[version]

    return ask


@pytest.fixture(params=VERSIONS)
def trt(request, told):
    """A module with a version's names and no more."""
    return Module(told(request.param))


def major(trt):
    """8, 10 or 11."""
    return names.version(trt)[0]


def test_the_source_tells_what_it_uses():
    """The list is made of our source; were it empty, the tests below could not fail."""
    found = {(use.owner, use.name) for use in USES}
    assert len(found) > 60
    for known in (
        ("", "Builder"), ("IExecutionContext", "execute_async_v3"), ("BuilderFlag", "FP16"),
        ("ICudaEngine", "get_tensor_profile_shape"), ("OnnxParser", "parse_from_file"),
    ):  # fmt: skip
        assert known in found, known


def test_every_class_that_the_source_uses_is_looked_at():
    """A new class of TensorRT in our source must come into the table."""
    assert {use.owner for use in USES if use.owner} <= set(CLASSES)


def test_every_name_is_there_or_asked_for(trt):
    """A name that a version lacks is used in names.py alone, behind `hasattr`."""
    missing = [
        use
        for use in USES
        if (use.owner or use.name in CLASSES)
        and use.name not in trt._classes.get(use.owner, {})
        and not (use.owner == "" and hasattr(trt, use.name))
        and not use.branched
    ]
    assert not missing


def test_every_call_fits_a_signature(trt):
    """Numbers and keywords of arguments are those of one overload; branches have own tests."""
    bad = []
    for use in USES:
        overloads = trt._classes.get(use.owner, {}).get(use.name)
        if use.arguments is None or not overloads or use.branched:
            continue
        count, keywords = use.arguments
        fits = any(
            least <= count + len(keywords) <= most and set(keywords) <= set(arguments)
            for least, most, arguments in overloads
        )
        if not fits:
            bad.append((use, overloads))
    assert not bad


def test_explicit_batch_and_strong_types_are_asked_for_where_they_exist(trt):
    """By their names: the numbers moved between 10 and 11."""
    kinds = trt._classes["NetworkDefinitionCreationFlag"]
    flags = names.network_flags(trt)
    asked = {name for name, bit in kinds.items() if isinstance(bit, int) and flags >> bit & 1}
    wanted = {8: {"EXPLICIT_BATCH"}, 10: {"EXPLICIT_BATCH", "STRONGLY_TYPED"}}
    assert asked == wanted.get(major(trt), {"STRONGLY_TYPED"})


def test_what_8_6_lacks_is_known(trt):
    """Strong types, int64 and an own InstanceNormalization came later."""
    later = major(trt) > 8
    assert names.strongly_typed(trt) is later
    assert names.int64_tensors(trt) is later
    assert names.own_instance_norm(trt) is later


def test_the_settings_exist_and_tf32_is_off(trt):
    """Nothing is set that a version lacks; cuBLAS and cuDNN are left out where they are."""
    config = trt.object("IBuilderConfig")
    names.configure(trt, config, workspace_bytes=1 << 20, optimisation_level=4)
    done = {entry[0]: entry[1:] for entry in config.noted}
    assert done["set_memory_pool_limit"] == (trt.MemoryPoolType.WORKSPACE, 1 << 20)
    assert done["builder_optimization_level"] == (4,)
    assert done["clear_flag"] == (trt.BuilderFlag.TF32,)
    assert done["hardware_compatibility_level"] == (trt.HardwareCompatibilityLevel.NONE,)
    if major(trt) == 11:
        assert "set_tactic_sources" not in done
    else:
        sources = trt.TacticSource
        bits = 1 << sources.EDGE_MASK_CONVOLUTIONS | 1 << sources.JIT_CONVOLUTIONS
        assert done["set_tactic_sources"] == (bits,)
    assert ("set_preview_feature" in done) is hasattr(trt.PreviewFeature, "PROFILE_SHARING_0806")


def make_network(trt, *tensors):
    """A network of one layer a (name, dtype)."""
    layers = [
        trt.object(
            "ILayer",
            num_outputs=1,
            type=trt.LayerType.CONVOLUTION,
            get_output=lambda _, name=name, dtype=dtype: trt.object(
                "ITensor", name=name, dtype=dtype
            ),
        )
        for name, dtype in tensors
    ]
    return trt.object("INetworkDefinition", num_layers=len(layers), get_layer=layers.__getitem__)


def test_weakly_typed_layers_are_held_to_the_files_types(trt):
    """8.6 gets the flag and every float layer's own type; others get nothing."""
    kinds = trt.DataType
    network = make_network(
        trt, ("a", kinds.FLOAT), ("b", kinds.FLOAT), ("added", kinds.HALF), ("i", kinds.INT32)
    )
    config = trt.object("IBuilderConfig")
    types_of = {"a": kinds.HALF, "b": kinds.FLOAT, "i": kinds.INT32}
    count = names.hold_types(trt, config, network, types_of)
    held = [network.get_layer(i).noted for i in range(4)]
    if major(trt) > 8:
        assert (config.noted, held, count) == ([], [[]] * 4, 0)
        return
    flags = trt.BuilderFlag
    assert config.noted == [
        ("set_flag", flags.FP16), ("set_flag", flags.OBEY_PRECISION_CONSTRAINTS),
    ]  # fmt: skip
    wanted = [kinds.HALF, kinds.FLOAT, kinds.HALF]
    assert held[:3] == [[("precision", kind), ("set_output_type", 0, kind)] for kind in wanted]
    assert held[3] == []
    assert count == 2


def test_a_context_gets_memory_of_ours_by_whatever_name(trt):
    """No context allocates by itself, so that several share one scratch region."""
    context = trt.object("IExecutionContext")
    made = []

    def make(*strategy):
        made.append(strategy)
        return context

    old = "create_execution_context_without_device_memory"
    name = old if major(trt) == 8 else "create_execution_context"
    engine = Members(trt._classes["ICudaEngine"], **{name: make})
    assert names.make_context(trt, engine, 4096, 64) is context
    if major(trt) == 8:
        assert context.noted == [("device_memory", 4096)]
        assert made == [()]
    else:
        assert context.noted == [("set_device_memory", 4096, 64)]
        assert made == [(trt.ExecutionContextAllocationStrategy.USER_MANAGED,)]


def test_scratch_memory_is_asked_for_by_the_name_that_is_there(trt):
    """The old name is gone in 11, the new one absent in 8.6."""
    name = "device_memory_size" if major(trt) == 8 else "device_memory_size_v2"
    engine = trt.object("ICudaEngine", **{name: 12345})
    assert names.scratch_bytes(engine) == 12345


def test_progress_is_watched_where_there_is_something_to_watch(trt):
    """Without a monitor class nothing is attached."""
    config = trt.object("IBuilderConfig")
    monitor = names.watch_progress(trt, config, lambda base: f"made of {base.__name__}")
    if major(trt) == 8:
        assert (monitor, config.noted) == (None, [])
    else:
        assert monitor == "made of IProgressMonitor"
        assert config.noted == [("progress_monitor", monitor)]


def test_a_parser_error_names_its_node_where_it_can(trt):
    """8.6 gives the node's number alone."""
    texts = {"node": lambda: 7}
    if major(trt) > 8:
        texts |= {"node_name": lambda: "conv_1", "node_operator": lambda: "Conv"}
    fault = trt.object("ParserError", **texts)
    wanted = ("", "", 7) if major(trt) == 8 else ("conv_1", "Conv", 7)
    assert names.parser_fault(fault) == wanted


def test_every_type_that_numpy_has_is_translated(trt):
    """And one that numpy lacks is an error, not a guess."""
    kinds = trt._classes["DataType"]
    for name in names.DTYPES:
        if name in kinds:
            assert names.numpy_dtype(getattr(trt.DataType, name)).itemsize in {1, 2, 4, 8}
    with pytest.raises(EngineError, match="FP8"):
        names.numpy_dtype(trt.DataType.FP8)


def absent(monkeypatch, tmp_path, content):
    """`tensorrt` is a file of this content, or nothing."""
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    if content is not None:
        (tmp_path / "tensorrt.py").write_text(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not installed"),
        ("raise ImportError('libnvinfer.so.10: cannot open shared object file')", "libnvinfer"),
        ("raise RuntimeError", "RuntimeError"),
        ("", "a stub"),
        ("__version__ = '10.3.0'", "no Builder"),
        ("__version__ = '8.5.3'\nBuilder = OnnxParser = Runtime = 1", "8.5.3 is too old"),
    ],
)
def test_a_tensorrt_that_cannot_be_used_comes_with_the_cure(monkeypatch, tmp_path, content, words):
    """Absent, without libraries, a stub or too old: where to get it is in the message."""
    absent(monkeypatch, tmp_path, content)
    with pytest.raises(EngineError, match=words) as caught:
        names.load_tensorrt()
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    assert "python3-libnvinfer" in str(caught.value)
    assert "NVIDIA's own package index" in str(caught.value)


def test_a_whole_tensorrt_is_taken(monkeypatch):
    """Whatever its version from the oldest on."""
    module = types.SimpleNamespace(__version__="8.6.0", Builder=1, OnnxParser=1, Runtime=1)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    assert names.load_tensorrt() is module
