"""The project's own source, parsed: what the house rules are checked on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "confide"


@dataclass(frozen=True)
class Module:
    """One file of the package: its dotted name, text and tree."""

    path: Path
    name: str
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @property
    def layer(self) -> str:
        return [*self.name.split("."), ""][1]

    @property
    def place(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All that is in the tree: every rule looks through it."""
        return list(ast.walk(self.tree))

    def aliases(self) -> dict[str, str]:
        """What a name in this file stands for: {"documents": "confide.protect.documents"}."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    @cached_property
    def uses(self) -> list[tuple[str, int]]:
        """Every dotted name that an expression names, resolved through the imports, with its line."""
        return list(self._uses())

    def _uses(self) -> Iterator[tuple[str, int]]:
        aliases, own = self.aliases(), self.own()
        for node in self.nodes:
            name = dotted(node) if isinstance(node, ast.Name | ast.Attribute) else None
            if name:
                head, _, rest = name.partition(".")
                full = aliases.get(head, f"{self.name}.{head}" if head in own else head)
                yield (f"{full}.{rest}" if rest else full), node.lineno

    def own(self) -> set[str]:
        """Names that this file defines itself, at its top level."""
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        return {node.name for node in self.tree.body if isinstance(node, kinds)}


def dotted(node: ast.AST) -> str | None:
    """``a.b.c`` as text, or None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return head and f"{head}.{node.attr}"
    return None


@cache
def modules() -> tuple[Module, ...]:
    """Every file of the package, but not the migrations that Django writes."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if "migrations" in path.parts:
            continue
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text()
        found.append(Module(path, name, text, ast.parse(text)))
    return tuple(found)
