"""docs/asvs.md says of each requirement what the tests say, and of all of them.

The numbers and levels in tests/asvs.csv are those of the OWASP Application Security Verification Standard
5.0.0 (May 2025; its text is CC BY-SA 4.0 and not copied here).
"""

import ast
import csv
import re
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "asvs.md"
ANSWERS = ("test", "by design: ", "no such thing", "the operator's: ", "not met")
_ROW = re.compile(r"^\| ([0-9.]+) \| ([12]) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def page() -> dict[str, tuple[str, str]]:
    rows = _ROW.findall(PAGE.read_text())
    assert len({number for number, *_ in rows}) == len(rows)
    return {number: (level, answer) for number, level, answer in rows}


def marked() -> set[str]:
    """The numbers that tests carry."""
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.asvs":
                found |= {ast.literal_eval(argument) for argument in node.args}
    return found


def test_every_requirement_of_levels_1_and_2_is_answered() -> None:
    with (TESTS / "asvs.csv").open() as listed:
        expected = {row["number"]: row["level"] for row in csv.DictReader(listed)}
    assert Counter(expected.values()) == {"1": 70, "2": 183}
    assert {number: level for number, (level, _) in page().items()} == expected


def test_what_is_said_to_be_tested_is_and_what_is_tested_is_said() -> None:
    assert {number for number, (_, answer) in page().items() if answer == "test"} == marked()


def test_every_other_answer_has_its_reason() -> None:
    for number, (_, answer) in page().items():
        assert answer.startswith(ANSWERS), number
        assert answer in {"test", "no such thing"} or len(answer) > len("by design: "), number


def test_the_figures_on_the_page_are_those_of_its_table() -> None:
    kinds = Counter(next(kind for kind in ANSWERS if a.startswith(kind)) for _, a in page().values())
    words = ("by test", "by design", "of no such thing", "the operator's", "not met")
    for kind, word in zip(ANSWERS, words, strict=True):
        assert f"{kinds[kind]} {word}" in PAGE.read_text()
