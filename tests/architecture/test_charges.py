"""No answer on identity without payment: who asks the index, who charges, and who says what is charged.

`test_seals` does the same for what opens seals.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from confide.access.charges import RULES, Operation, charge
from confide.access.roles import Form
from confide.errors import AccessDenied
from confide.protect.elements import Element
from tests.architecture.source import Module, dotted, modules

ASKED = {"exact", "prefix", "between", "holds"}
"""How an identity index is asked."""


def calls(module: Module) -> Iterator[tuple[str, ast.Call]]:
    for node in module.nodes:
        if isinstance(node, ast.Call):
            yield dotted(node.func) or getattr(node.func, "attr", ""), node


def callers(names: set[str], of: set[str] | None = None) -> set[str]:
    """The modules that call something of these names, on something of the names *of*."""
    return {
        module.name.removeprefix("confide.")
        for module in modules()
        for name, _ in calls(module)
        if name.rpartition(".")[2] in names and (of is None or name.split(".")[-2:-1] in [[o] for o in of])
    }


def users(name: str) -> set[str]:
    """The modules that name *name* in an expression or import it."""
    return {
        module.name.removeprefix("confide.")
        for module in modules()
        for node in module.nodes
        if name
        in {
            getattr(node, "attr", None),
            getattr(node, "id", None),
            *([alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []),
        }
    }


def test_the_index_is_asked_in_tests_alone() -> None:
    """`records.hits` makes tests of it; what they find is looked at by `records.asking`, which pays."""
    asking = {
        module.name.removeprefix("confide.")
        for module in modules()
        if "IdentityIndex" in module.text or "indexes" in module.text
        for node in module.nodes
        if isinstance(node, ast.Attribute)
        and node.attr in ASKED
        and dotted(node.value) in {"index", "self.index"}
    }
    assert asking == {"records.hits"}
    assert users("find") >= {"records.asking"}
    finding = {
        module.name.removeprefix("confide.")
        for module in modules()
        for name, _ in calls(module)
        if name == "test.find"
    }
    assert finding == {"records.asking", "records.hits"}


def test_digests_of_identifiers_are_asked_in_tests_alone() -> None:
    # New numbers are drawn until one is free, which nobody outside is told.
    assert users("IdentifierDigest") == {"records.hits", "records.renumbers", "records.writer"}


def test_the_budget_is_charged_by_the_vault_alone() -> None:
    charged = callers({"spend", "reserve", "reserve_care", "learn"}, {"budget", "crowd"})
    assert charged == {"vault.desk", "vault.telling", "vault.till"}
    assert callers({"reserve_care"}, {"budget"}) == {"vault.till"}
    assert callers({"asked"}) == {"records.asking"}
    assert "Exposures" in {n for m in modules() if m.name == "confide.access.budget" for n in m.aliases()}
    assert callers({"reserve"}, {"crowd"}) == {"vault.desk"}
    assert users("Exposures") == {"access.budget"}
    assert users("recording") == {"access.budget", "access.crowd", "access.exposure"}


def test_one_function_says_what_is_charged() -> None:
    """Whoever charges has the charges from `charge`; nobody writes them down by hand."""
    assert callers({"charge"}) == {"vault.telling", "vault.till"}
    for module in modules():
        if module.name in {"confide.vault.till", "confide.vault.telling"}:
            handed = [
                ast.unparse(call.args[1])
                for name, call in calls(module)
                if name in {"budget.reserve", "budget.reserve_care", "budget.learn", "budget.spend"}
            ]
            assert handed
            assert set(handed) == {"charges"}
            billed = [ast.unparse(call.args[3]) for name, call in calls(module) if name == "Bill"]
            assert billed == ["charges"]
    purchases = {
        (module.name, ast.unparse(call.args[1]))
        for module in modules()
        for name, call in calls(module)
        if name == "Purchase"
    }
    assert purchases == {("confide.vault.desk", "bill.charges")}


def test_every_operation_has_a_rule() -> None:
    assert set(RULES) == set(Operation)


@pytest.mark.parametrize("operation", ["nothing", *(o for o, rule in RULES.items() if rule is None)])
def test_an_operation_that_nobody_priced_is_refused(operation: Operation) -> None:
    with pytest.raises(AccessDenied):
        charge(operation)


@pytest.mark.parametrize("operation", [o for o, rule in RULES.items() if rule is not None])
def test_an_operation_does_no_more_than_its_rule_says(operation: Operation) -> None:
    rule = RULES[operation]
    assert rule is not None
    name = frozenset({Element.NAME})
    asking = {"asked": name, "matched": ["p", "q"], "fixed": ["q", "r"]}
    if rule.asks:
        assert charge(operation, **asking) == [(p, Element.NAME, Form.CLEAR) for p in "pqr"]  # type: ignore[arg-type]
        with pytest.raises(AccessDenied):
            charge(operation, matched=["p"])
    else:
        with pytest.raises(AccessDenied):
            charge(operation, **asking)  # type: ignore[arg-type]
    showing = [("p", {Element.SSN: Form.MASKED})]
    if rule.shows:
        assert charge(operation, shown=showing) == [("p", Element.SSN, Form.MASKED)]
    else:
        with pytest.raises(AccessDenied):
            charge(operation, shown=showing)
    assert charge(operation) == []
