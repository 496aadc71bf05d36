"""A contract that import-linter lacks: parts of an outside package that some layers may not import."""

from __future__ import annotations

import re

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OutsideContract(Contract):
    """Source modules, and those in them, import none of the forbidden parts, such as ``django.http``."""

    type_name = "outside"

    source_modules = fields.ListField(subfield=fields.ModuleField())
    forbidden_parts = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        found: list[tuple[str, int, str]] = []
        for source in self.source_modules:
            for module in sorted({source.name, *graph.find_descendants(source.name)}):
                for package in {part.partition(".")[0] for part in self.forbidden_parts} & graph.modules:
                    found += [
                        (module, detail["line_number"], detail["line_contents"])
                        for detail in graph.get_import_details(importer=module, imported=package)
                        if any(names(part, detail["line_contents"]) for part in self.forbidden_parts)
                    ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for module, line, text in check.metadata["found"]:
            output.print_error(f"{module} (l.{line}): {text}", bold=False)


def names(part: str, line: str) -> bool:
    """Whether a line of source imports the part: ``import a.b``, ``from a.b import``, ``from a import b``."""
    package, _, last = part.rpartition(".")
    direct = rf"^\s*(import|from)\s+{re.escape(part)}\b"
    taken = rf"^\s*from\s+{re.escape(package)}\s+import\s+(.*\W)?{re.escape(last)}\b"
    return bool(re.search(direct, line) or re.search(taken, line))
