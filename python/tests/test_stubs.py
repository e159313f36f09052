"""The typed stubs name what is there, and what is there has docstrings."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import rustfits
from rustfits import aio

PACKAGE = Path(rustfits.__file__).parent
MODULES = {"_rustfits.pyi": rustfits._rustfits, "aio.pyi": rustfits._rustfits.aio}
# Not for users: the memory under arrays, and the iterators behind `async for`.
UNNAMED = {"Memory", "HduStream", "ChunkStream", "BandStream", "RowChunkStream"}
# Of the stubs alone: what arguments have to look like.
PROTOCOLS = {"AstropyHeader", "BinaryReader", "AsyncReader"}


def stubs(name: str) -> list[ast.stmt]:
    return ast.parse((PACKAGE / name).read_text()).body


def members():
    """Each class of the stubs with its runtime class, and each of its functions and properties."""
    for file, module in MODULES.items():
        for node in stubs(file):
            if isinstance(node, ast.ClassDef) and node.name not in PROTOCOLS:
                for item in node.body:
                    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                        yield pytest.param(getattr(module, node.name), item, id=f"{file}-{node.name}.{item.name}")


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[tuple[str, bool]]:
    """Names and whether each has a default, without self."""
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    without = len(plain) - len(arguments.defaults)
    found = [(argument.arg, n >= without) for n, argument in enumerate(plain)]
    found += [(a.arg, d is not None) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return [(name, default) for name, default in found if name != "self"]


def runtime_parameters(function: object) -> list[tuple[str, bool]]:
    found = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return [(p.name, p.default is not p.empty) for p in found if p.name != "self"]


@pytest.mark.parametrize("file", MODULES)
def test_the_same_classes(file):
    named = {node.name for node in stubs(file) if isinstance(node, ast.ClassDef)}
    there = {name for name, value in vars(MODULES[file]).items() if inspect.isclass(value)}
    assert named - PROTOCOLS == there - UNNAMED


@pytest.mark.parametrize(("owner", "stub"), list(members()))
def test_members(owner, stub):
    if stub.name == "__init__":
        assert runtime_parameters(owner) == parameters(stub)
        return
    there = inspect.getattr_static(owner, stub.name)
    if stub.name.startswith("__"):
        return
    assert there.__doc__, "no docstring"
    is_property = any(isinstance(name, ast.Name) and name.id == "property" for name in stub.decorator_list)
    assert is_property == inspect.isdatadescriptor(there)
    # Of overloads, the last one is the whole.
    overloaded = [name.id for name in stub.decorator_list if isinstance(name, ast.Name)].count("overload")
    if not is_property and not overloaded:
        assert runtime_parameters(getattr(owner, stub.name)) == parameters(stub)


@pytest.mark.parametrize("file", MODULES)
def test_everything_public_is_in_the_stubs(file):
    for node in stubs(file):
        if isinstance(node, ast.ClassDef) and node.name not in PROTOCOLS:
            named = {item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
            there = {name for name in vars(getattr(MODULES[file], node.name)) if not name.startswith("_")}
            assert there <= named, node.name


@pytest.mark.parametrize("module", [rustfits, aio])
def test_docstrings(module):
    for name in module.__all__:
        value = getattr(module, name)
        assert value.__doc__, name
    assert module.__doc__


def test_numpydoc_sections():
    for documented in [
        rustfits.FITS,
        rustfits.FITS.write_image,
        rustfits.ImageHDU.read,
        rustfits.TableHDU.read,
        rustfits.fetch_many,
        rustfits.read,
        rustfits.stream,
        rustfits.write,
    ]:
        described = inspect.getdoc(documented)
        assert described is not None
        assert "Parameters\n----------\n" in described
        for name in inspect.signature(documented).parameters:
            if name not in {"self", "options"}:
                assert name in described, f"{documented}: {name}"


def test_signatures_of_functions():
    for file, module in [("aio.pyi", aio), ("_rustfits.pyi", rustfits)]:
        functions = {node.name: node for node in stubs(file) if isinstance(node, ast.FunctionDef)}
        assert {"read", "read_header", "write"} <= functions.keys()
        for name, stub in functions.items():
            assert runtime_parameters(getattr(module, name)) == parameters(stub)
            assert getattr(module, name).__doc__


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()
