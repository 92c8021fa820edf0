"""The checker does not import what it checks: no solver, no search, no bounds of floats."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tropix.certify

FOLDER = Path(tropix.certify.__file__).parent
ROOM = "tropix.certify."
SEARCH = (
    "_planes", "_propagation", "_branching", "_circuit_", "_cells", "_heads", "_ball", "_batches", "_attack", "_slopes",
    "_certify", "_engine", "_requests", "_vnnlib", "_plot", "_summary",
)  # fmt: skip
EXACT = {"_cells_forms"}
"""Data in integers, although its name begins as that of a search."""
OUTSIDE = ("scipy", "cvxpy", "highspy", "numba", "tropix.kernels", "tropix.convex", "tropix.regions")
DATA = {"scipy.sparse"}
"""Matrices of circuits."""


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, anywhere in it; ``from package import module`` counts as both."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reached() -> dict[str, set[str]]:
    """What each module imports that the checker reaches within its room."""
    found: dict[str, set[str]] = {}
    todo = sorted(path.stem for path in FOLDER.glob("_check*.py"))
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = set(imports(FOLDER / f"{name}.py"))
            inner = {module.removeprefix(ROOM).split(".")[0] for module in found[name] if module.startswith(ROOM)}
            todo += [module for module in inner if (FOLDER / f"{module}.py").exists()]
    return found


def forbidden(module: str) -> bool:
    if module.startswith(ROOM):
        name = module.removeprefix(ROOM).split(".")[0]
        return name.startswith(SEARCH) and name not in EXACT
    return module not in DATA and any(module == other or module.startswith(f"{other}.") for other in OUTSIDE)


def test_the_checker_imports_no_solver_and_no_bound() -> None:
    graph = reached()
    assert {"_check", "_check_heads", "_check_leaf", "_check_cells", "_models", "_cells_forms"} <= graph.keys()
    wrong = {(name, module) for name, modules in graph.items() for module in modules if forbidden(module)}
    assert not wrong
    assert not any(module == "tropix.certify" for modules in graph.values() for module in modules)


@pytest.mark.parametrize("name", ["_cells", "_certify_slopes", "_circuit_radii", "_heads_exact"])
def test_the_search_would_be_found(name: str) -> None:
    """The rule is one that the searches break."""
    assert any(forbidden(module) for module in imports(FOLDER / f"{name}.py"))
    assert forbidden(ROOM + name)


def test_no_two_classes_of_the_checker_have_one_name() -> None:
    trees = [ast.parse(path.read_text()) for path in FOLDER.glob("_check*.py")]
    names = [node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    assert len(names) == len(set(names))
