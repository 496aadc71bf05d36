"""A leaked piece is traced to where it came from, and made-up data to nowhere."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import AccessDenied, GrantMismatch, Invalid
from confide.records import samples
from confide.records.models import Resource
from confide.vault.imprint import fold
from confide.vault.tracing import tail
from tests.exports import House
from tests.practice import PATIENT, journal

EXPORTS = 20
PEOPLE = 12


@pytest.fixture
def house(elm, tmp_path):
    folder = tmp_path / "outgoing"
    folder.mkdir()
    return House(elm, folder)


def people(house, count=PEOPLE):
    """Patients with an MRN, an SSN and a plan each."""
    dice = random.Random(4)
    made = []
    for number in range(count):
        identifiers = [dict(identifier) for identifier in PATIENT["identifier"]]
        identifiers[0]["value"] = (
            f"{dice.randrange(900, 999)}-{dice.randrange(10, 99)}-{dice.randrange(9999):04}"
        )
        identifiers[1]["value"] = f"E-{dice.randrange(10**7):07}"
        identifiers[2]["value"] = f"W-{dice.randrange(10**8):08}"
        patient = house.practice.patient(identifier=identifiers, birthDate=f"19{40 + number}-03-04")
        house.practice.add(
            {
                "resourceType": "Coverage",
                "status": "active",
                "subscriberId": f"{dice.randrange(10**10):010}",
                "beneficiary": {"reference": f"Patient/{patient}"},
                "payor": [{"display": "A plan"}],
            }
        )
        made.append(patient)
    return made


def trace(house, path):
    reading = samples.read(path)
    grant = house.practice.grant("journal-read", house.officer, "HOPERAT", elements=())
    return house.system.tracer.trace(grant, reading.sample)


def table(folder, rows, columns):
    """A part of what a recipient could have: CSV with other columns beside."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)
    path = folder / "leak.csv"
    path.write_text(out.getvalue())
    return path


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_five_rows_of_twenty_exports(house, tmp_path):
    patients = people(house)
    place = house.destination()
    written = []
    for _ in range(EXPORTS):
        export = house.approved(place)
        written.append((export, house.read(house.run(export))[0]))
    export, found = written[13]
    five = found["Patient"][3:8]
    other_columns = [["F", "2019-04-05", "44054006", "Type 2 diabetes", 7.5, "MA"] for _ in five]

    handles = table(
        tmp_path, [[p["id"], *more] for p, more in zip(five, other_columns, strict=True)], "abcdefg"
    )
    first, second, *_ = trace(house, handles)
    assert (first.kind, first.name) == ("export", export.id)
    assert (first.found, first.tried, first.people) == (5, 7, 5)
    assert first.chance < 1e-100
    assert (second.found, second.chance) == (0, 1.0)

    mrns = [[i["value"] for i in p["identifier"] if "mrn" in i.get("system", "mrn")][:1] for p in five]
    numbers = table(tmp_path, [m + more for m, more in zip(mrns, other_columns, strict=True)], "abcdefg")
    first, second, *_ = trace(house, numbers)
    assert (first.name, first.found, second.found) == (export.id, 5, 0)
    assert first.chance < 1e-9

    plans = [[c["subscriberId"].lstrip("0")] for c in found["Coverage"][:5]]
    first, second, *_ = trace(house, table(tmp_path, plans, ["member"]))
    assert (first.name, first.found, second.found) == (export.id, 5, 0)
    assert first.chance < 1e-9
    del patients
    assert {e.actor for e in journal(resource_type="Trace")} == {house.officer.id}
    assert len(journal(resource_type="Trace")) == 3


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_made_up_data_is_of_nobody(house, tmp_path):
    people(house)
    house.run(house.approved())
    dice = random.Random(9)
    rows = [
        [
            str(uuid.UUID(int=dice.getrandbits(128))),
            f"{dice.randrange(10**9):09}",
            f"E-{dice.randrange(10**7):07}",
        ]
        for _ in range(500)
    ]
    findings = trace(house, table(tmp_path, rows, ["id", "ssn", "mrn"]))
    assert {each.kind for each in findings} == {"export", "records"}
    for each in findings:
        assert each.found <= 1
        assert each.chance > 1e-3 or each.found == 0
    (export,) = [each for each in findings if each.kind == "export"]
    # Twelve stand-ins of eight letters and digits, twelve of nine, ... against 500 made-up ones.
    assert 0 < export.expected < 500 * PEOPLE * 4 / 10**6


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_a_dump_of_the_records_is_recognised(house, tmp_path):
    patients = people(house)
    house.run(house.approved())
    rows = Resource.objects.filter(type="Patient")
    bodies = [json.loads(bytes(row.body)) for row in rows]
    path = tmp_path / "dump.txt.gz"

    path.write_bytes(gzip.compress(b"\n".join(bytes(row.body) for row in rows[:4])))
    first, second = trace(house, path)
    assert (first.kind, first.people, second.found) == ("records", 4, 0)
    assert first.chance < 1e-50
    held = sorted(str(row.pk) for row in rows[:4])
    assert list(first.persons) == held
    assert held[0] not in repr(first)

    numbers = [[i["value"] for i in body["identifier"] if "value" in i] for body in bodies[:5]]
    first, second = trace(house, table(tmp_path, numbers, ["a", "b"]))
    assert (first.kind, first.people, second.found) == ("records", 5, 0)
    assert first.chance < 1e-9

    names = [[n["family"], n["given"][0]] for body in bodies[:3] for n in body["name"]]
    first, second = trace(house, table(tmp_path, names, ["family", "given"]))
    assert (first.kind, first.people, first.found) == ("records", 3, 6)
    assert first.chance < 1e-9
    # A synthetic patient proves where it is from, and is nobody.
    house.system.baits.add(house.practice.id, first.persons[:1])
    again = trace(house, table(tmp_path, names, ["family", "given"]))[0]
    assert (again.people, again.persons, again.found) == (2, first.persons[1:], 6)
    del patients


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_tokens_name_their_recipient(house, tmp_path):
    from confide.protect.elements import Element
    from confide.protect.keystore import KeyUse
    from confide.protect.tokens import Tokens, Wanted
    from confide.vault.tokens import DatabaseTokenStore

    keyring = house.system.vault.keyring(house.practice.id)
    assert keyring.use(KeyUse.TOKEN)
    tokens = Tokens(keyring, DatabaseTokenStore())
    wanted = [Wanted(Element.SSN, f"900-11-{n:04}") for n in range(50)]
    now = house.practice.clock()
    for_lab = tokens.tokenize("lab", wanted, now)
    tokens.tokenize("payer", wanted, now)
    first, second, *_ = trace(house, table(tmp_path, [[token] for token in for_lab[:5]], ["ssn"]))
    assert (first.kind, first.name, first.found) == ("tokens", "lab", 5)
    assert first.chance < 1e-9
    assert second.found == 0


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_without_its_key_an_export_says_nothing(house, tmp_path):
    from confide.vault.models import DataKey

    people(house, 2)
    export = house.approved()
    found, _ = house.read(house.run(export))
    sample = table(tmp_path, [[p["id"]] for p in found["Patient"]], ["id"])
    assert trace(house, sample)[0].found == 2
    DataKey.objects.filter(subject=export.id).delete()
    house.system.vault.forget(house.practice.id, [export.id])
    (one,) = [each for each in trace(house, sample) if each.kind == "export"]
    assert (one.found, one.readable) == (0, False)


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_who_may_trace(house, tmp_path):
    with pytest.raises(AccessDenied):
        house.practice.grant("journal-read", house.manager, "HOPERAT", elements=())
    with pytest.raises(GrantMismatch):
        house.system.tracer.trace(house.grant(), samples.Sample(frozenset(), frozenset()))
    with pytest.raises(AccessDenied):
        house.practice.grant("journal-read", house.practice.client("HOPERAT"), "HOPERAT", elements=())


# The piece itself


@pytest.mark.parametrize(
    ("text", "handles", "values"),
    [
        ("id\nA1B2C3D4-0000-4000-8000-00000000000f\n", 1, set()),
        ("x=a1b2c3d40000400080000000000000ff;", 1, set()),
        ("078-05-1120,1963-05-04,2024-01-02T03:04:05Z,MA", 0, {"078-05-1120"}),
        ("B-AFUYOTB,hypertension,Diabetes,a,F", 0, {"B-AFUYOTB", "hypertension", "Diabetes"}),
        ("call (555) 010-4477 now", 0, {"(555) 010-4477", "010-4477"}),
        ('{"value":"E-0004711","x":12.5}', 0, {"E-0004711"}),
        ("4111 1111 1111 1111", 0, {"4111 1111 1111 1111"}),
        ("Bradofuvi, Zetigobradofu", 0, {"Bradofuvi", "Zetigobradofu"}),
        ("Patient/a1b2c3d4-0000-4000-8000-00000000000f", 1, set()),
    ],
    ids=["uuid", "plain hex", "csv", "letters", "phone", "json", "groups", "names", "reference"],
)
def test_what_is_found_in_a_piece(tmp_path, text, handles, values):
    path = tmp_path / "piece"
    for content in (text.encode(), text.encode("utf-16"), gzip.compress(text.encode())):
        path.write_bytes(content)
        found = samples.read(path)
        assert found.whole
        assert (len(found.sample.handles), found.sample.values) == (handles, values)


def test_a_large_piece_is_read_in_blocks(tmp_path):
    """Nothing is lost where two blocks meet, and there is a limit."""
    dice = random.Random(1)
    ids = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(samples.MOST_HANDLES)]
    path = tmp_path / "piece"
    path.write_text(("x" * 300 + "\n").join(ids[:9000]))
    assert samples.read(path).sample.handles == set(ids[:9000])
    path.write_text("\n".join(f"{n:09}" for n in range(10**8, 10**8 + 30_000)))
    found = samples.read(path)
    assert len(found.sample.values) == samples.MOST_VALUES


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(Invalid, match="cannot be read"):
        samples.read(tmp_path / "nothing")
    (tmp_path / "broken.gz").write_bytes(gzip.compress(b"x" * 10**6)[:50])
    with pytest.raises(Invalid, match="cannot be read"):
        samples.read(tmp_path / "broken.gz")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    pytest.importorskip("pyarrow", reason="left out: pyarrow")
    with pytest.raises(Invalid, match="Parquet"):
        samples.read(tmp_path / "broken.parquet")


@given(st.binary(max_size=3000))
def test_any_bytes_are_a_piece(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    try:
        samples.read(path)
    except Invalid:
        assert content[:2] in {b"\x1f\x8b", b"PA"}


@given(st.integers(1, 60), st.floats(1e-9, 30))
def test_the_bound_is_not_below_the_exact_chance(found, expected):
    """Against Poisson's distribution, the limit of many rare trials."""
    import math

    below = math.fsum(math.exp(-expected + k * math.log(expected) - math.lgamma(k + 1)) for k in range(found))
    assert tail(found, expected) >= 1 - below - 1e-9


@pytest.mark.parametrize(
    ("one", "other"),
    [("078-05-1120", "78051120"), ("e-0004711", "E0004711"), ("(555) 010-4477", "5550104477")],
    ids=["zeros", "case", "phone"],
)
def test_writings_of_one_number_are_one(one, other):
    assert fold(one) == fold(other)
