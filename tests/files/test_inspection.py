"""What a file seems to hold: judged by values, with the name's help; what still identifies is counted."""

from __future__ import annotations

import datetime as dt
import json
import random
import uuid
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from confide.errors import Invalid
from confide.protect.columns.kinds import ColumnElement, Method
from confide.protect.files import crowd, recipe
from confide.protect.files.formats import form_of
from confide.protect.files.hints import Hint, hints
from confide.protect.files.inspection import identifying, inspect
from confide.protect.files.judge import Evidence, judge
from confide.protect.files.source import open_source
from tests.files.tables import protect

CHANCE = random.Random(7)
ROWS = 400
GIVEN = [
    "James",
    "Mary",
    "Robert",
    "Patricia",
    "John",
    "Jennifer",
    "Michael",
    "Linda",
    "Fatima",
    "Søren",
    "Priya",
    "Wei",
]
FAMILY = [
    "Smith",
    "Johnson",
    "Nguyen",
    "Garcia",
    "O'Brien",
    "Martinez-Lopez",
    "Quernheim",
    "Kim",
    "Patel",
    "Rossi",
]
WORDS = [
    "patient",
    "reports",
    "pain",
    "in",
    "the",
    "left",
    "knee",
    "since",
    "monday",
    "and",
    "was",
    "told",
    "to",
    "rest",
]


def luhn(body: str, prefix: int = 0) -> str:
    doubled = [2 * int(c) for c in body[::-2]]
    total = prefix + sum(d - 9 * (d > 9) for d in doubled) + sum(int(c) for c in body[-2::-2])
    return body + str(-total % 10)


def number(least: int, most: int) -> str:
    return str(CHANCE.randint(least, most))


def day(first: int, last: int) -> dt.date:
    return dt.date(first, 1, 1) + dt.timedelta(CHANCE.randrange(365 * (last - first)))


def ssn(between: str = "-") -> str:
    return f"{number(1, 665).zfill(3)}{between}{number(1, 99).zfill(2)}{between}{number(1, 9999).zfill(4)}"


def phone() -> tuple[str, str, str]:
    return number(201, 989), number(200, 999), number(0, 9999).zfill(4)


def grouped() -> str:
    card = luhn("5" + number(10**13, 10**14 - 1))
    return "-".join(card[i : i + 4] for i in (0, 4, 8, 12))


def street() -> str:
    return f"{number(1, 9999)} {CHANCE.choice(FAMILY)} {CHANCE.choice(['St', 'Ave', 'Road'])}"


def person() -> str:
    return f"{CHANCE.choice(GIVEN)} {CHANCE.choice('ABCDE')} {CHANCE.choice(FAMILY)}"


# Columns whose names say nothing: the values decide.
BY_VALUE: dict[str, tuple[Callable[[], str], str]] = {
    "ssn": (ssn, "ssn"),
    "ssn without dashes": (lambda: ssn(""), "ssn"),
    "card": (lambda: luhn("4" + number(10**13, 10**14 - 1)), "card"),
    "card in groups": (grouped, "card"),
    "npi": (lambda: luhn("1" + number(10**7, 10**8 - 1), 24), "npi"),
    "phone": (lambda: "({}) {}-{}".format(*phone()), "phone"),
    "phone with dots": (lambda: "{}.{}.{}".format(*phone()), "phone"),
    "phone with its country": (lambda: "+1 {}-{}-{}".format(*phone()), "phone"),
    "phone, digits only": (lambda: "".join(phone()), "phone"),
    "e-mail": (lambda: f"{CHANCE.choice(FAMILY).lower()}{number(1, 999)}@example.org", "email"),
    "birth date": (lambda: day(1930, 2024).isoformat(), "birth-date"),
    "birth date, American": (lambda: day(1930, 2024).strftime("%m/%d/%Y"), "birth-date"),
    "date": (lambda: day(2020, 2025).isoformat(), "date"),
    "time": (lambda: f"{day(2020, 2025)}T09:30:00Z", "date"),
    "date in words": (lambda: day(2020, 2025).strftime("%d %b %Y"), "date"),
    "name": (person, "name"),
    "name, family first": (lambda: ", ".join(person().split(" ", 1)[::-1]), "name"),
    "zip": (lambda: number(501, 99950).zfill(5), "zip"),
    "zip+4": (lambda: f"{number(501, 99950).zfill(5)}-{number(1, 9999).zfill(4)}", "zip"),
    "street": (street, "address"),
    "text": (lambda: " ".join(CHANCE.choices(WORDS, k=12)), "text"),
    "text with a phone number": (lambda: CHANCE.choice(["ok", "ok", "call 617-555-0123"]), "text"),
    "member id": (lambda: f"{CHANCE.choice('ABCXYZ')}{number(10**8, 10**9 - 1)}", "identifier"),
    "uuid": (lambda: str(uuid.UUID(int=CHANCE.getrandbits(128))), "identifier"),
    "address of a machine": (lambda: ".".join(number(0, 255) for _ in range(4)), "identifier"),
    "web address": (lambda: f"https://example.org/u/{number(1, 10**6)}", "identifier"),
    "sex": (lambda: CHANCE.choice("MFU"), "keep"),
    "state": (lambda: CHANCE.choice(["NY", "IL", "CA", "ME"]), "keep"),
    "number": (lambda: f"{CHANCE.random() * 100:.2f}", "keep"),
    "category": (lambda: CHANCE.choice(["planned", "arrived", "finished"]), "keep"),
    "code": (lambda: CHANCE.choice(["E11.9", "I10", "J45.909", "Z00.00"]), "keep"),
    "year": (lambda: number(1990, 2024), "keep"),
}  # fmt: skip


def judged(name: str, values: list[str]) -> tuple[str, bool]:
    found = judge(Evidence(name, values, 2026))
    return found.treatment.element or found.treatment.method, found.identifies


@pytest.mark.parametrize("kind", BY_VALUE)
def test_values_decide(kind) -> None:
    make, expected = BY_VALUE[kind]
    element, identifies = judged("column7", [make() for _ in range(ROWS)])
    assert element == expected
    assert identifies is (expected != "keep")


@pytest.mark.parametrize("kind", [kind for kind in BY_VALUE if BY_VALUE[kind][1] not in {"keep", "text"}])
def test_a_few_wrong_values_change_nothing(kind) -> None:
    make, expected = BY_VALUE[kind]
    values = [make() for _ in range(ROWS)] + ["unknown"] * (ROWS // 50)
    CHANCE.shuffle(values)
    element, identifies = judged("column7", values)
    assert identifies
    assert element == expected


# Columns whose values say little: the name tips the balance.
BY_NAME: list[tuple[str, Callable[[], str], str]] = [
    ("MRN", lambda: number(10**5, 10**7), "mrn"),
    ("patientMrn", lambda: f"E{number(10**5, 10**7)}", "mrn"),
    ("subscriber_id", lambda: f"W{number(10**8, 10**9)}", "member-id"),
    ("acct no", lambda: number(10**7, 10**9), "account"),
    ("drivers_license", lambda: f"S{number(10**11, 10**12)}", "licence"),
    ("Passport Number", lambda: f"C{number(10**7, 10**8 - 1)}", "passport"),
    ("ssn", lambda: number(10**8, 10**9 - 1), "ssn"),
    ("home_phone", lambda: number(10**6, 10**7 - 1), "phone"),
    ("DateOfBirth", lambda: day(2019, 2025).isoformat(), "birth-date"),
    ("dob", lambda: day(1930, 2000).strftime("%Y%m%d"), "birth-date"),
    ("FIRST", lambda: CHANCE.choice(["Zyx71", "Quorth3", "Ufnal22"]), "name"),
    ("last_name", lambda: CHANCE.choice(["Zyx", "Quorth", "Ufnal"]), "name"),
    ("city", lambda: CHANCE.choice(["Bangor", "Riverbend"]), "address"),
    ("lat", lambda: f"{CHANCE.random() * 90:.5f}", "address"),
    ("zip", lambda: number(501, 9999), "zip"),
    ("patient_id", lambda: number(1000, 9999), "identifier"),
    ("drug_name", lambda: CHANCE.choice(["metformin", "lisinopril"]), "keep"),
    ("cpt_code", lambda: number(10000, 99999), "keep"),
    ("count", lambda: number(0, 40), "keep"),
    ("race", lambda: CHANCE.choice(["white", "black", "asian"]), "keep"),
    ("age", lambda: number(0, 100), "keep"),
]


@pytest.mark.parametrize(("name", "make", "expected"), BY_NAME, ids=[each[0] for each in BY_NAME])
def test_names_tip_the_balance(name, make, expected) -> None:
    element, identifies = judged(name, [make() for _ in range(ROWS)])
    assert element == expected
    assert identifies is (expected != "keep")


def test_a_name_alone_decides_nothing() -> None:
    assert judged("ssn", [f"{CHANCE.random():.3f}" for _ in range(ROWS)]) == ("keep", False)
    assert judged("email", [CHANCE.choice(["yes", "no"]) for _ in range(ROWS)]) == ("keep", False)


def test_numbers_of_rows_are_told_from_identifiers() -> None:
    assert judged("id", [str(1_000_000 + i) for i in range(ROWS)]) == ("keep", False)
    assert judged("x", [str(1 + i) for i in range(ROWS)]) == ("keep", False)


def test_the_proposal_keeps_the_format() -> None:
    digits = judge(Evidence("mrn", [number(10**6, 10**7) for _ in range(ROWS)], 2026)).treatment
    assert (digits.method, digits.alphabet) == (Method.FF1, "10")
    small = judge(Evidence("member", [f"ab{number(10**6, 10**7)}" for _ in range(ROWS)], 2026)).treatment
    assert (small.method, small.alphabet) == (Method.FF1, "36L")
    short = judge(Evidence("mrn", [number(100, 999) for _ in range(ROWS)], 2026))
    assert short.treatment.method in {Method.SEAL, Method.KEEP}
    uuids = [f"{CHANCE.getrandbits(128):032x}" for _ in range(ROWS)]
    assert judge(Evidence("patient_uuid", uuids, 2026)).treatment.alphabet == "0123456789abcdef"


def test_hints() -> None:
    assert hints("patientDOB") == {Hint.PERSON, Hint.BIRTH}
    assert hints("PATIENT_LAST_NAME") == {Hint.PERSON, Hint.NAME}
    assert hints("zip-code") == {Hint.ZIP, Hint.CODE}
    assert Hint.NAME not in hints("hospital name")
    assert hints("xyzzy") == set()


# Whole files


def people(rows: int) -> list[dict[str, str | None]]:
    return [
        {
            "ssn": ssn(), "name": person(), "dob": day(1930, 2024).isoformat(),
            "zip": number(501, 99950).zfill(5), "sex": CHANCE.choice("MF"),
            "state": CHANCE.choice(["NY", "IL"]), "note": None,
        }
        for _ in range(rows)
    ]  # fmt: skip


def csv_of(path, rows):
    lines = [",".join(rows[0])] + [",".join(each or "" for each in row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return open_source(path, form_of(path))


def test_a_file_is_looked_at_as_a_whole(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("confide.protect.files.units.BLOCK", 2000)
    monkeypatch.setattr("confide.protect.files.texts._FIRST", 2000)
    rows = people(3000)
    for row in rows[1500:]:
        row["note"] = "call 617-555-0123"  # in the second half only
    found = inspect(csv_of(tmp_path / "in.csv", rows))
    assert found.columns["note"].treatment.element is ColumnElement.TEXT
    assert {name: each.treatment.element for name, each in found.columns.items()} == {
        "ssn": "ssn", "name": "name", "dob": "birth-date", "zip": "zip", "sex": None, "state": None,
        "note": "text",
    }  # fmt: skip


def test_groups_are_counted(tmp_path) -> None:
    rows = [{"zip": "04401", "sex": "F", "dob": "1963-05-04"}] * 30 + [
        {"zip": "04401", "sex": "M", "dob": "1963-05-04"}
    ] * 5
    rows += [{"zip": "00501", "sex": "F", "dob": f"19{i}-01-01"} for i in range(30, 50)]  # fmt: skip
    found = inspect(csv_of(tmp_path / "in.csv", rows))
    [before], [after] = found.before, found.after
    assert before == crowd.Crowd(("zip", "sex", "dob"), 55, 22, 1, 20, 25)
    assert after == crowd.Crowd(("sex",), 55, 2, 5, 0, 5)


def test_counting_is_bounded(tmp_path) -> None:
    source = csv_of(tmp_path / "in.csv", people(500))
    [counted] = crowd.count(source, [("sex", "state")], most=100)
    assert counted.rows <= 500
    assert crowd.count(source, []) == []


def test_the_proposal_can_be_carried_out(tmp_path, keyring) -> None:
    source = csv_of(tmp_path / "in.csv", people(200))
    found = inspect(source)
    text = recipe.write(found.recipe, ["a proposal"])
    asked = recipe.parse(text.encode(), "x")
    assert asked == found.recipe
    protect(source.path, tmp_path / "out.csv", keyring, asked)
    safe = inspect(open_source(tmp_path / "out.csv", form_of(tmp_path / "out.csv")))
    assert [safe.columns[name].what for name in ("name", "dob", "zip")] == ["sealed already"] * 3


def test_typed_and_nested_columns_are_looked_into(tmp_path) -> None:
    table = pa.table(
        {
            "born": [day(1930, 2024) for _ in range(100)],
            "ssn": [int(ssn("")) for _ in range(100)],
            "amount": [CHANCE.random() for _ in range(100)],
            "contact": [{"phone": "617-555-0123"}] * 100,
            "codes": [["E11.9", "I10"]] * 100,
            "photo": [b"\x00\x01"] * 100,
            "name": pa.array([person() for _ in range(100)]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    source = open_source(tmp_path / "in.parquet", form_of(tmp_path / "in.parquet"))
    assert identifying(source, source.names) == {
        "born": "birth date",
        "ssn": "Social Security number",
        "contact": "nested, with identifiers in it",
        "name": "name",
    }
    (tmp_path / "in.ndjson").write_text(
        "".join(json.dumps({"address": {"city": "Bangor"}, "n": i, "tags": ["a"]}) + "\n" for i in range(50))
    )
    source = open_source(tmp_path / "in.ndjson", form_of(tmp_path / "in.ndjson"))
    assert identifying(source, source.names) == {"address": "nested, with identifiers in it"}


def test_a_file_without_rows_or_values(tmp_path) -> None:
    for text in ("a,b\n", "a,b\n,\n,\n"):
        (tmp_path / "in.csv").write_text(text)
        found = inspect(open_source(tmp_path / "in.csv", form_of(tmp_path / "in.csv")))
        assert [each.what for each in found.columns.values()] == ["empty", "empty"]


def test_a_file_without_a_header_is_refused_unread(tmp_path) -> None:
    (tmp_path / "in.csv").write_text("078-05-1120,x\n219-09-9999,y\n")
    with pytest.raises(Invalid, match="looks like data"):
        inspect(open_source(tmp_path / "in.csv", form_of(tmp_path / "in.csv")))
