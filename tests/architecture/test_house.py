"""How the project is written: names, sizes, docstrings, and errors that repeat no value."""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture.source import PACKAGE, ROOT, Module, modules

VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "data", "info", "misc", "core"}
LONGEST = 400
# What an outsider runs where there is no Confide.
STANDALONE = {"confide.audit.standalone", "confide.audit.proof", "confide.incidents.standalone"}
# A message with one of these in it repeats what the caller sent, or a stand-in, or a key.
VALUE_NAMES = {
    "value", "values", "clear", "cleartext", "plaintext", "plain", "secret", "password", "passphrase",
    "token", "ssn", "mrn", "family", "given", "birth_date", "phone", "email", "address", "key", "body",
    "text", "raw", "stand_in", "payload", "resource", "document",
}  # fmt: skip


def test_a_file_says_what_it_is_in_its_first_line() -> None:
    for module in modules():
        first = (ast.get_docstring(module.tree) or "").partition("\n")[0]
        assert first, f"{module.place}: no docstring"
        assert len(first) <= 120, module.place
        assert first[0].isupper() or not first[0].isalpha(), f"{module.place}: the first line is a sentence"


def test_a_file_has_one_job() -> None:
    assert {module.place for module in modules() if module.text.count("\n") >= LONGEST} == set()


def test_names_are_nouns_that_say_something() -> None:
    vague = [
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.stem.lower() in VAGUE and "__pycache__" not in path.parts and "static" not in path.parts
    ]
    assert not vague


def raised(module: Module) -> list[ast.Call]:
    nodes = [node.exc for node in module.nodes if isinstance(node, ast.Raise)]
    return [node for node in nodes if isinstance(node, ast.Call)]


def inserted(call: ast.Call) -> set[str]:
    """Names that the message of an error takes in, by f-string, ``%``, ``+`` or ``format``."""
    names: set[str] = set()
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        for node in ast.walk(argument):
            if isinstance(node, ast.FormattedValue):
                names |= plain(node.value)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
                names |= plain(node.left) | plain(node.right)
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "format":
                names |= set().union(*(plain(part) for part in node.args))
    return names


def plain(node: ast.AST) -> set[str]:
    """The variable or attribute that stands there itself; its length or type is harmless."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Attribute):
        return {node.attr} if node.attr not in {"__name__", "name", "code"} else set()
    if isinstance(node, ast.Subscript):
        return plain(node.value)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"str", "repr", "ascii"}:
        return set().union(*(plain(argument) for argument in node.args))
    return set()


def test_an_error_never_repeats_a_value() -> None:
    told = [
        f"{module.place}:{call.lineno} puts {', '.join(sorted(names))} into a message"
        for module in modules()
        for call in raised(module)
        if (names := inserted(call) & VALUE_NAMES)
    ]
    assert not told


@pytest.mark.asvs("16.2.5")
def test_a_log_line_never_repeats_a_value() -> None:
    levels = {"debug", "info", "warning", "error", "exception", "critical"}
    told = [
        f"{module.place}:{node.lineno}"
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") in levels
        and re.search(r"\blog(ger|ging)?\b", ast.unparse(node.func))
        and (inserted(node) | set().union(set(), *map(plain, node.args))) & VALUE_NAMES
    ]
    assert not told


def test_only_our_errors_come_out_of_the_library() -> None:
    """What leaves a layer is from confide.errors; not so Python's own protocols and our wrong tables.

    Nor the files that an outsider runs where there is no Confide.
    """
    ours = {name for module in modules() if module.name == "confide.errors" for name in module.own()}
    language = {"AssertionError", "AttributeError", "StopIteration", "TypeError"}
    foreign = [
        f"{module.place}:{call.lineno} raises {name}"
        for module in modules()
        if module.layer in {"cipher", "fhir", "protect", "access", "audit", "vault", "records", "incidents"}
        and module.name not in STANDALONE
        for call in raised(module)
        if (name := getattr(call.func, "id", None) or getattr(call.func, "attr", ""))
        and name not in ours | language
        and name[0].isupper()
        and not name.startswith("_")
    ]
    assert not foreign


def test_no_boolean_weakens_a_check() -> None:
    """A different function, with a name that one would be ashamed to write, instead of ``verify=False``."""
    weak = re.compile(r"^(verify|check|strict|secure|audit|journal|validate|force|skip_|no_|unsafe|ignore_)")
    found = [
        f"{module.place}:{node.lineno} {node.name}({argument.arg})"
        for module in modules()
        if module.layer not in {"cli", "drill"}
        for node in module.nodes
        if isinstance(node, ast.FunctionDef)
        for argument in [*node.args.args, *node.args.kwonlyargs]
        if weak.match(argument.arg) and getattr(argument.annotation, "id", "") == "bool"
    ]
    assert not found
