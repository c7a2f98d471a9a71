"""What the import contracts cannot say: sizes, purity of calls, where MongoDB's and HTTP's words may stand."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fhir_dmp"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf8")) for path in MODULES}
PURE = (
    "spec", "regex", "snapshot", "fhirpath", "validation", "terminology", "conformance", "search", "access", "audit",
    "ins", "record", "statistics", "cda", "subscription",
)  # fmt: skip
PURE_FILES = (
    "bundle.py",
    "resource.py",
    "reference.py",
    "subset.py",
    "json_text.py",
    "instant.py",
    "outcome.py",
    "status.py",
    "url.py",
)
IMPURE_CALLS = re.compile(
    r"\b(datetime\.now|datetime\.today|date\.today|time\.time|random\.|uuid\d?\(|\bopen\(|os\.environ)"
)
DRAWERS = re.compile(r"(Manager|Helper|Util|Utils|Service|Impl|Processor)\b|\dV?$")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions() -> list[tuple[Path, Function]]:
    found = ((path, node) for path, tree in TREES.items() for node in ast.walk(tree))
    return [(path, node) for path, node in found if isinstance(node, Function)]


def _length(node: Function) -> int:
    """The lines of a function without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - node.lineno + 1 - (_docstring_lines(node)) if body else 1


def _docstring_lines(node: Function) -> int:
    first = node.body[0]
    return (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) is not None else 0


def _depth(node: ast.AST, level: int = 0) -> int:
    nesting = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
    deepest = level
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        step = 1 if isinstance(child, nesting) and not is_elif else 0
        deepest = max(deepest, _depth(child, level + step))
    return deepest


def _is_pure(path: Path) -> bool:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] in PURE or str(relative) in PURE_FILES


def test_modules_are_small() -> None:
    lengths = {path: path.read_text(encoding="utf8").count("\n") for path in MODULES}
    assert {path.name: lines for path, lines in lengths.items() if lines > 500} == {}
    assert median(lengths.values()) <= 150


def test_functions_are_small() -> None:
    lengths = [(path.name, node.name, _length(node)) for path, node in _functions()]
    assert [row for row in lengths if row[2] > 50] == []
    assert median(row[2] for row in lengths) <= 8


def test_nesting_is_at_most_three() -> None:
    assert [(path.name, node.name) for path, node in _functions() if _depth(node) > 3] == []


def test_core_reads_no_clock_no_files_and_makes_no_ids() -> None:
    calls = {
        path.name: found
        for path in MODULES
        if _is_pure(path) and (found := IMPURE_CALLS.findall(ast.unparse(_without_docstrings(TREES[path]))))
    }
    assert calls == {}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    copy = ast.parse(ast.unparse(tree))
    for node in ast.walk(copy):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(value=None)
    return copy


def test_mongodb_operators_stand_in_the_adapter_only() -> None:
    operator = re.compile(r"""["']\$(in|or|and|elemMatch|gte?|lte?|regex|set|match|exists)["']""")
    outside = [path for path in MODULES if "mongo" not in path.parts]
    assert [path.name for path in outside if operator.search(path.read_text(encoding="utf8"))] == []


def test_only_the_gate_lifts_the_restriction() -> None:
    lifting = [path.name for path in MODULES if "Restriction.none()" in path.read_text(encoding="utf8")]
    assert lifting == ["gate.py"]


def test_every_reading_method_of_the_port_takes_a_restriction_without_default() -> None:
    reader = next(
        node
        for node in ast.walk(TREES[PACKAGE / "store" / "port.py"])
        if isinstance(node, ast.ClassDef) and node.name == "Reader"
    )
    for method in reader.body:
        if isinstance(method, ast.AsyncFunctionDef):
            names = [argument.arg for argument in method.args.args]
            assert "restriction" in names, method.name
            assert not method.args.defaults, method.name


def test_nothing_is_named_for_a_drawer() -> None:
    classes = [node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [name for name in [*classes, *(path.stem for path in MODULES)] if DRAWERS.search(name)] == []


def test_each_interaction_links_its_section_of_the_specification() -> None:
    runs = {"read", "create", "update", "delete", "patch", "history", "search", "transaction", "batch", "capabilities"}
    for path in (PACKAGE / "interactions").glob("*.py"):
        if path.stem in runs:
            assert "https://hl7.org/fhir/R4/" in (ast.get_docstring(TREES[path]) or ""), path.name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(TREES[path])


def test_no_todo_is_left() -> None:
    marks = re.compile(r"#.*\b(TODO|FIXME|XXX|HACK)\b")
    assert [path.name for path in MODULES if marks.search(path.read_text(encoding="utf8"))] == []
