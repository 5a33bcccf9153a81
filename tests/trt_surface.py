"""Which names of TensorRT our code uses, and which ones a version has.

    python trt_surface.py            # prints the latter, where `tensorrt` imports

What is used comes from our source by its syntax tree, not by hand.  A version's *surface*
is its classes with their members, the numbers of enum members and the signatures that
pybind11 writes into docstrings.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

RECEIVERS = {
    "builder": "Builder",
    "cache": "ITimingCache",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "engine.handle": "ICudaEngine",
    "fault": "ParserError",
    "inspector": "EngineInspector",
    "layer": "ILayer",
    "network": "INetworkDefinition",
    "optimisation": "IOptimizationProfile",
    "parser": "OnnxParser",
    "self._context": "IExecutionContext",
    "self._runtime": "Runtime",
    "self.handle": "ICudaEngine",
    "tensor": "ITensor",
}
"""What our code calls an object of TensorRT, and its class."""

ONLY_IN_NAMES = {"engine": "ICudaEngine"}
"""Likewise in names.py, which knows no class of ours."""

CLASSES = sorted(
    {*RECEIVERS.values(), "BuilderFlag", "DataType", "ExecutionContextAllocationStrategy"}
    | {"HardwareCompatibilityLevel", "ILogger", "IProgressMonitor", "LayerInformationFormat"}
    | {"LayerType", "MemoryPoolType", "NetworkDefinitionCreationFlag", "OnnxParserFlag"}
    | {"PreviewFeature", "ProfilingVerbosity", "TacticSource", "TensorIOMode", "TensorLocation"}
)
"""What a surface holds; a test sees to it that our code uses nothing else."""


class Use:
    """One attribute access of our code.

    Attributes:
        owner: class, or "" for the module itself.
        name: of the attribute.
        arguments: number of positional arguments and names of keyword ones, None when it
            is not called.
        branched: it is in names.py, in a function that asks `hasattr`.
        where: file and line.
    """

    def __init__(self, owner, node, call, branched, where):
        self.owner, self.name, self.branched, self.where = owner, node.attr, branched, where
        self.arguments = None
        if call is not None:
            self.arguments = (len(call.args), tuple(k.arg for k in call.keywords))

    def __repr__(self):
        return f"{self.owner or 'tensorrt'}.{self.name} ({self.where})"


def uses(folder: Path) -> list[Use]:
    """Every use of a name of TensorRT in a folder of our modules."""
    found = []
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text())
        table = RECEIVERS | (ONLY_IN_NAMES if path.name == "names.py" else {})
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                found += _uses_in(function, table, path)
    return found


def _uses_in(function, table, path):
    text = ast.unparse(function)
    branched = path.name == "names.py" and "hasattr(" in text
    calls = {node.func: node for node in ast.walk(function) if isinstance(node, ast.Call)}
    for node in ast.walk(function):
        if not isinstance(node, ast.Attribute) or node.attr.startswith("__"):
            continue
        base = re.sub(r"^(self\.|engine\.)?trt\b", "trt", ast.unparse(node.value))
        where = f"{path.name}:{node.lineno}"
        if base == "trt":
            yield Use("", node, calls.get(node), branched, where)
        elif base.startswith("trt.") and base.count(".") == 1:
            yield Use(base.split(".")[1], node, calls.get(node), branched, where)
        elif base in table:
            yield Use(table[base], node, calls.get(node), branched, where)


def signatures(documentation: str, name: str) -> list[tuple[int, int, list[str]]]:
    """(least, most, names) of the arguments of each overload, without self."""
    found = []
    for text in re.findall(rf"^\s*(?:\d+\. )?{name}\((.*)\) ->", documentation, re.MULTILINE):
        if text == "*args, **kwargs":
            continue
        flat = re.sub(r"\[[^\[\]]*\]", "", re.sub(r"<[^<>]*>", "", text))
        parts = [part.strip() for part in flat.split(",")][1:]
        needed = [part for part in parts if "=" not in part]
        found.append((len(needed), len(parts), [part.split(":")[0] for part in parts]))
    return found


def surface(trt) -> dict[str, object]:
    """What a version has of :data:`CLASSES`, as JSON can hold it."""
    classes = {}
    for name in CLASSES:
        kind = getattr(trt, name, None)
        if kind is None:
            continue
        members = {}
        for member in dir(kind):
            if member.startswith("_"):
                continue
            value = getattr(kind, member, None)
            if isinstance(value, kind):
                members[member] = int(value)
            else:
                members[member] = signatures(getattr(value, "__doc__", None) or "", member)
        classes[name] = members
    return {"version": trt.__version__, "classes": classes}


class Members:
    """An object that has the members of a class, notes what is set and called, and no more."""

    def __init__(self, members, /, **values):
        object.__setattr__(self, "_members", {*members, *values})
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "noted", [])

    def __getattr__(self, name):
        if name not in self._members:
            raise AttributeError(name)
        if name in self._values:
            return self._values[name]
        return lambda *arguments: self.noted.append((name, *arguments))

    def __setattr__(self, name, value):
        if name not in self._members:
            raise AttributeError(name)
        self.noted.append((name, value))


class Number(int):
    """An enum member: its number, and a name as pybind11 gives it."""

    def __new__(cls, value, name):
        made = super().__new__(cls, value)
        made.name = name
        return made


class Module:
    """A TensorRT of a surface: classes as attributes, enum members with their numbers."""

    def __init__(self, told):
        self.__version__ = told["version"]
        self._classes = told["classes"]
        for name, members in told["classes"].items():
            numbers = {key: value for key, value in members.items() if isinstance(value, int)}
            kind = type(name, (), {key: Number(value, key) for key, value in numbers.items()})
            setattr(self, name, kind)

    def object(self, name, /, **values):
        """Something of a class, which notes what is done to it."""
        return Members(self._classes[name], **values)


if __name__ == "__main__":
    import tensorrt

    sys.stdout.write(json.dumps(surface(tensorrt), sort_keys=True) + "\n")
