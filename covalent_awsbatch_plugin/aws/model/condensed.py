"""Source as short as it can be and still do the same: what each DescribeJobs repeats."""

from __future__ import annotations

import ast
import builtins
import itertools
import keyword
from collections import Counter
from collections.abc import Iterable, Iterator
from string import ascii_letters


def condense(modules: Iterable[str]) -> str:
    """Return the code of modules, one behind the other, without what only its readers need.

    Names are short, but for those that other code uses: classes, attributes and what may be given
    by keyword. Indentation is one space a level; no text is changed by that, since each is on one
    line.
    """
    tree = ast.parse("\n".join(modules))
    tree = ast.fix_missing_locations(_Condenser().visit(tree))
    lines = ast.unparse(_Renamer(tree).visit(tree)).splitlines()
    shortened = (" " * ((len(x) - len(x.lstrip())) // 4) + x.lstrip() for x in lines if x)
    return "\n".join(shortened)


class _Condenser(ast.NodeTransformer):
    """Removes docstrings, annotations, what is for type checkers, and imports of our own."""

    def __init__(self) -> None:
        self._imported: set[str] = set()

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        again = ast.unparse(node) in self._imported
        self._imported.add(ast.unparse(node))
        return None if again else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.level or node.module in ("__future__", "typing") else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return ast.Assign([node.target], node.value, lineno=node.lineno)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._with_a_body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._with_a_body(node)

    def _with_a_body(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node


class _Renamer(ast.NodeTransformer):
    """Gives every name that only the code itself uses a short one, the same everywhere."""

    def __init__(self, tree: ast.AST) -> None:
        nodes = list(ast.walk(tree))
        methods = {
            id(each) for node in nodes if isinstance(node, ast.ClassDef) for each in node.body
        }
        self._functions = {
            id(n): n for n in nodes if isinstance(n, ast.FunctionDef) and id(n) not in methods
        }
        counted = Counter(name for node in nodes for name in self._names(node))
        kept = {*dir(builtins), *keyword.kwlist}
        kept |= {name for node in nodes for name in _kept(node)}
        short = (name for name in _short_names() if name not in counted and name not in kept)
        renamed = (name for name, _ in counted.most_common() if name not in kept)
        self._new = dict(zip(renamed, short, strict=False))

    def _names(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif id(node) in self._functions:
            yield self._functions[id(node)].name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._new.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._new.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if id(node) in self._functions:
            node.name = self._new.get(node.name, node.name)
        return self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = self._new.get(node.name or "", node.name)
        return self.generic_visit(node)


def _kept(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node makes known to other code, or has from it."""
    if isinstance(node, ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, ast.arguments) and node.defaults:
        yield from (each.arg for each in node.args[-len(node.defaults) :])


def _short_names() -> Iterator[str]:
    yield from ascii_letters
    yield from map("".join, itertools.product(ascii_letters, repeat=2))
