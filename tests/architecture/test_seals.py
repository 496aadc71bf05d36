"""No way round the budget: whatever opens a seal, a token or a stand-in is reached through payment.

The vault is read as a graph of its functions. Those that open something are listed here by hand, with what
must have happened before; one that is not listed fails the test, and so does one that is listed and gone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import dotted, modules

OPENING = {
    "reveal",
    "reveal_all",
    "open",
    "open_seal",
    "uncover",
    "decrypt",
    "unwrap",
    "open_for_index",
    "_open",
    "unseal",
    "unseal_bytes",
    "_typed",
    "_clear",
    "root_of",
}
"""Calls that give a clear value, or lead to one."""

# function of the vault: the calls that open, what comes before them in it, and whom it may be called by
DOORS = {
    # The budget pays and the journal writes; then documents are opened.
    "door.Vault.reveal": (["_open"], ["pay"], None),
    "door.Vault._open": (["reveal"], [], {"door.Vault.reveal"}),
    # The same for items of a batch: what opens is handed to `answer`, which pays first.
    "values.Values.detokenize.reveal": (["open"], [], {"handed to answer"}),
    "values.Values.reveal.show": (["uncover"], [], {"handed to answer"}),
    "covers.Covers.uncover": (["reveal", "open"], [], {"values.Values.reveal.show"}),
    # Confide's own index: a system grant, and an entry in the journal. Nobody is shown anything.
    "door.Vault.open_for_index": (
        ["reveal_all"],
        ["require", "durable", "_append"],
        {"index.IdentityIndex.catch_up", "matching.Matching.read"},
    ),
    "index.IdentityIndex.catch_up": (["open_for_index"], ["system_grant"], None),
    # What was typed when the glass was broken: for whoever reads the journal, and that is an entry first.
    "emergencies.Emergencies.read": (["unseal"], ["require", "durable", "append"], None),
    # What the privacy officer wrote down of a disclosure: the same; `asking` requires the grant and journals.
    "disclosures.Disclosures.account": (["_typed"], ["asking"], None),
    "disclosures.Disclosures._typed": (["unseal"], [], {"disclosures.Disclosures.account"}),
    "reasons.Reasons.unseal_bytes": (["open"], [], {"reasons.Reasons.unseal"}),
    "reasons.Reasons.unseal": (
        ["unseal_bytes"],
        [],
        {"emergencies.Emergencies.read", "disclosures.Disclosures._typed", "enrolments.CodeSeals.read"},
    ),
    # An export: two people's word, asked again for every batch; an entry for each patient before the first.
    "release.Opening.export": (["open"], ["check"], None),
    "release._Opener.open": (["_clear"], [], {"release.Opening.export"}),
    "release._Opener._clear": (["reveal"], [], {"release._Opener.open"}),
    # Records of several practices compared for an incident: an entry in each; digests under a key of one run.
    "matching.Matching.read": (["open_for_index"], ["system_grant"], None),
    # New tokens for a breach: two people's word before; an entry for each person, and then tokens are opened.
    "retokens._exchange": (["open"], [], {"retokens.Retokens.reissue"}),
    # New record numbers for a breach: two people's word before; each entry is looked for first.
    "rekeying.Rekeying.open": (["reveal"], ["allow"], None),
    # Synthetic patients are mixed from many: the index's own grant and entry, and nobody is shown anything.
    "donors.open_donors": (["open_for_index"], ["system_grant"], None),
    # A downtime pack: two people's standing word; an entry for each patient before the first chart.
    "packs.Packs.starts": (["open_for_index"], ["system_grant"], None),
    "packs.Packing.open": (["reveal"], ["check"], None),
    # Letters about a breach: two people's word, asked again for every batch, and its entries first.
    "mailings.Mailings._opened": (["reveal"], [], {"mailings.Mailings.open"}),
    # An enrolment code, of no patient's chart: opened for the letter that tells it.
    "enrolments.CodeSeals.read": (["unseal"], [], None),
    # A person's second factor, of no patient: what is opened is compared with what was typed, in the server.
    "factors.FactorSeals.open": (["open"], [], None),
    # What the watch remembers of logins, and who is synthetic: of no patient's chart, shown to nobody.
    "keepsakes.Keepsakes.open": (["open"], [], set()),
    # Days of relationships: asked by decisions, which only compare them with today. Nobody is shown any.
    "days.SealedDays._days_of": (["open"], [], set()),
    # An export's root: recognises what left, and opens nothing of a patient's.
    "release.root_of": (["unwrap"], [], {"release.Release._root", "tracing.Tracer._export"}),
    "release.Release._root": (["root_of"], [], {"release.Release.begin"}),
    "tracing.Tracer._export": (["root_of"], [], {"tracing.Tracer.trace"}),
}  # fmt: skip


def functions() -> Iterator[tuple[str, ast.AST]]:
    """Every function of the vault by its dotted name, nested ones apart."""

    def walk(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                own = f"{name}.{child.name}"
                if not isinstance(child, ast.ClassDef):
                    yield own, child
                yield from walk(child, own)
            else:
                yield from walk(child, name)

    for module in modules():
        if module.layer == "vault":
            yield from walk(module.tree, module.name.removeprefix("confide.vault."))


FUNCTIONS = dict(functions())


def calls(function: ast.AST) -> list[tuple[str, ast.Call]]:
    """What a function calls, by the last part of its name, in the order of its text; nested ones apart."""
    found: list[tuple[str, ast.Call]] = []

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            walk(child)
            if isinstance(child, ast.Call):
                name = dotted(child.func) or getattr(child.func, "attr", "")
                if not name.startswith(("os.", "io.")):
                    found.append((name.rpartition(".")[2], child))

    walk(function)
    return sorted(found, key=lambda call: (call[1].lineno, call[1].col_offset))


def opens(function: ast.AST) -> list[str]:
    return [name for name, _ in calls(function) if name in OPENING]


def handed_to(function: str) -> set[str]:
    """What a nested function is handed to by the one around it, or ``called`` if that calls it itself."""
    outer, _, name = function.rpartition(".")
    told = set()
    for called, call in calls(FUNCTIONS[outer]):
        if any(isinstance(a, ast.Name) and a.id == name for a in call.args):
            told.add(f"handed to {called}")
        if called == name and isinstance(call.func, ast.Name):
            told.add("called")
    return told


@pytest.mark.asvs("8.3.1")
def test_nothing_else_opens() -> None:
    found = {name: opens(function) for name, function in FUNCTIONS.items() if opens(function)}
    assert {name: sorted(set(calls)) for name, calls in found.items()} == {
        name: sorted(opening) for name, (opening, _, _) in DOORS.items()
    }


@pytest.mark.parametrize("name", DOORS)
def test_payment_comes_before_opening(name: str) -> None:
    opening, before, _ = DOORS[name]
    order = [called for called, _ in calls(FUNCTIONS[name])]
    first = min(order.index(call) for call in opening)
    late = [gate for gate in before if gate not in order[:first]]
    assert not late


@pytest.mark.parametrize("name", [name for name, (_, _, callers) in DOORS.items() if callers is not None])
def test_what_opens_has_no_other_caller(name: str) -> None:
    allowed = DOORS[name][2]
    short = name.rpartition(".")[2]
    if name.rpartition(".")[0] in FUNCTIONS:  # a nested function
        assert handed_to(name) == allowed
        return
    callers = {each for each, function in FUNCTIONS.items() if short in [c for c, _ in calls(function)]}
    assert callers >= allowed
    assert not short.startswith("_") or callers == allowed
    elsewhere = [
        f"{module.place}:{node.lineno} names {short}"
        for module in modules()
        if module.layer not in {"vault", "protect"} and short in {"open_for_index", "root_of"}
        for node in module.nodes
        if short == getattr(node, "attr", getattr(node, "id", ""))
    ]
    assert not elsewhere


@pytest.mark.parametrize(
    ("function", "order"),
    [
        ("telling.answer", ["pay", "act"]),
        ("mailings.Mailings.open", ["check", "unpack", "_require_written", "_write", "_opened"]),
        ("mailings.Mailings._write", ["durable", "append", "store"]),
        ("telling.pay", ["durable", "pay_alone", "_groups", "pay"]),
        ("telling.pay.pay_alone", ["recheck", "charge_in_order", "write"]),
        ("telling.charge_in_order", ["_groups", "reserve"]),
        ("telling._groups", ["_charges_of"]),
        ("telling.write", ["append", "_entries"]),
        ("values.Values.tokenize", ["durable", "recheck", "charge_in_order", "write"]),
        ("desk.pay", ["join", "durable", "pay"]),
        ("desk._serve", ["durable", "paying"]),
        ("desk._pay_in_turn", ["atomic", "pay"]),
        ("desk._pay_crowd", ["reserve", "entries", "append"]),
        ("till.pay", ["_charges", "pay", "name"]),
        ("till.pay.pay_alone", ["reserve", "_pay_care", "append"]),
        ("till._pay_care", ["is_care", "_charges", "reserve_care"]),
        ("till._charges", ["charge"]),
        ("telling.learn", ["charge", "durable", "learn", "append"]),
        ("release.Release.begin", ["check", "write", "_Opener", "Opening"]),
        ("release.Release.check", ["grant", "require_runnable"]),
        ("packs.Packs.begin", ["check", "system_grant", "_write", "Packing"]),
        ("packs.Packs._write", ["durable", "append"]),
    ],
)
def test_what_pays_pays_in_this_order(function: str, order: list[str]) -> None:
    called = [name for name, _ in calls(FUNCTIONS[function])]
    places = [called.index(name) for name in order]
    assert places == sorted(places)


def test_an_opening_is_made_in_one_place() -> None:
    makers = {
        name
        for name, function in FUNCTIONS.items()
        if {"Opening", "_Opener"} & {called for called, _ in calls(function)}
    }
    assert makers == {"release.Release.begin"}


def test_only_paying_functions_reach_the_batch_door() -> None:
    """`answer` is the one way to the items of a batch; what it acts with is listed above."""
    users = {name for name, function in FUNCTIONS.items() if "answer" in [c for c, _ in calls(function)]}
    assert users == {"values.Values.detokenize", "values.Values.protect", "values.Values.reveal"}


def test_above_the_vault_nobody_has_what_opens() -> None:
    """Above it, `reveal` is the vault's, and nothing is called that opens without paying."""
    strangers = [
        f"{module.place}:{node.lineno} calls {ast.unparse(node.func)}"
        for module in modules()
        if module.layer in {"records", "server", "drill"}
        for node in module.nodes
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "")
        in {"reveal", "reveal_all", "uncover", "open_for_index", "unwrap", "decrypt"}
        and (dotted(node.func) or "") not in {"self.vault.reveal", "values.reveal"}
    ]
    assert not strangers
