"""Scopes of programs, in both writings: what is asked for meets what is registered."""

from __future__ import annotations

import pytest

from confide.server import smart


@pytest.mark.asvs("10.4.11")
@pytest.mark.parametrize(
    ("requested", "registered", "granted"),
    [
        ("system/*.read", "system/*.read", "system/*.read"),
        ("system/Patient.rs", "system/*.read", "system/Patient.rs"),
        ("system/*.cruds", "system/Patient.rs", "system/Patient.rs"),
        ("system/*.*", "system/*.rs", "system/*.rs"),
        ("system/*.*", "system/*.cruds", "system/*.*"),
        ("system/Patient.cruds", "system/Patient.r system/Observation.cruds", "system/Patient.r"),
        ("system/Patient.write", "system/Patient.cu", "system/Patient.cu"),
        ("system/*.rs", "system/Patient.rs system/Observation.r", "system/Observation.r system/Patient.rs"),
        ("system/Patient.rs openid user/*.read", "system/*.cruds", "system/Patient.rs"),
        ("system/Patient.read", "system/Observation.read", ""),
        ("system/Patient.read", "", ""),
        ("vault/tokenize", "vault/tokenize vault/reveal", "vault/tokenize"),
        ("vault/tokenize vault/protect", "vault/tokenize system/*.cruds", "vault/tokenize"),
        (
            "vault/detokenize system/*.rs",
            "system/Patient.rs vault/detokenize",
            "vault/detokenize system/Patient.rs",
        ),
        ("vault/tokenize vault/reveal", "system/*.cruds system/*.*", ""),
        ("system/*.cruds", "vault/tokenize vault/reveal", ""),
        (
            "vault/* vault/nothing vault/Tokenize vault/ vault /tokenize vault/tokenize.r",
            "vault/tokenize",
            "",
        ),
        ("", "system/*.cruds", ""),
        (
            "system/Patient. system/Patient.sr system/Nothing.rs system/*.rs?a=b SYSTEM/*.rs",
            "system/*.cruds",
            "",
        ),
    ],
)
def test_what_is_granted(requested: str, registered: str, granted: str) -> None:
    assert smart.grant(requested, registered) == granted


def test_what_a_scope_allows() -> None:
    scopes = smart.parse("system/Patient.read system/Observation.c")
    assert smart.allows(scopes, "Patient", "r")
    assert smart.allows(scopes, "Patient", "s")
    assert not smart.allows(scopes, "Patient", "u")
    assert smart.allows(scopes, "Observation", "c")
    assert not smart.allows(scopes, "Observation", "r")
    assert not smart.allows(scopes, "*", "r")
    assert smart.allows(smart.parse("system/*.r"), "*", "r")
    vault = smart.parse("vault/detokenize system/*.cruds")
    assert smart.allows(vault, smart.VAULT, "detokenize")
    for operation in ("tokenize", "protect", "reveal"):
        assert not smart.allows(vault, smart.VAULT, operation)
    assert not smart.allows(smart.parse("vault/detokenize"), "Patient", "r")
    assert {str(scope) for scope in vault} == {"vault/detokenize", "system/*.cruds"}
