"""Bundles: a transaction is stored whole or not at all; a batch goes on."""

import copy

import pytest

from confide.access.roles import Action
from confide.errors import AccessDenied, InvalidResource, Unavailable, VersionConflict
from confide.records.models import Resource, Superseded
from tests.practice import PATIENT, counts, observation, without_journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
CANARY = "Qvzx7WmTr4KpLd92Hs"
URN = "urn:uuid:05f1f0c1-8a57-4c58-9a3f-0d6b8f5f2f11"
URN2 = "urn:uuid:15f1f0c1-8a57-4c58-9a3f-0d6b8f5f2f11"


def entry(resource=None, method="POST", url=None, **more):
    kind = (resource or {}).get("resourceType", "")
    request = {"method": method, "url": kind if url is None else url, **more.pop("request", {})}
    return {"request": request} | ({} if resource is None else {"resource": resource}) | more


@pytest.fixture
def execute(elm):
    grants = {
        Action.WRITE: elm.grant("write"),
        Action.READ: elm.grant("read"),
        Action.SEARCH: elm.grant("search"),
    }

    def execute(*entries, kind="transaction"):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
        done = elm.system.bundles.execute(
            grants.__getitem__, copy.deepcopy(bundle), lambda kind, page: {"total": page.total}
        )
        assert done["resourceType"] == "Bundle"
        assert done["type"] == f"{kind}-response"
        assert len(done["entry"]) == len(entries)
        return done["entry"]

    return execute


def ids(entries):
    return [e["response"]["location"].split("/")[1] for e in entries]


def issues(problem):
    return [(issue.path, issue.kind) for issue in problem.value.issues]


# Transactions


def test_entries_refer_to_each_other(elm, execute):
    seen = observation("x") | {"subject": {"reference": URN, "display": "Zoë"}}
    done = execute(
        entry(seen), entry(PATIENT, fullUrl=URN), entry({"resourceType": "Organization", "name": "Elm"})
    )
    assert [e["response"]["status"] for e in done] == ["201 Created"] * 3
    assert [e["response"]["etag"] for e in done] == ['W/"1"'] * 3
    result, patient, _ = ids(done)
    assert elm.read("Observation", result).body["subject"] == {
        "reference": f"Patient/{patient}",
        "display": "Zoë",
    }
    assert Resource.objects.get(pk=result).subject == patient, "sealed under the patient's key"
    assert elm.ids("Observation", ("patient", patient)) == [result]


def test_every_way_of_naming_a_new_one(elm, execute):
    far = "http://far.example/fhir/Patient/p1"
    named = PATIENT | {"id": "p1"}
    for reference in (URN, "Patient/p1", far):
        seen = observation("x") | {"subject": {"reference": reference}}
        url = {"fullUrl": reference} if reference != "Patient/p1" else {}
        patient, result = ids(execute(entry(named, **url), entry(seen)))
        assert elm.read("Observation", result).body["subject"] == {"reference": f"Patient/{patient}"}


def test_every_method_at_once(elm, execute):
    patient = elm.patient()
    gone = elm.add(observation(patient))
    body = elm.read("Patient", patient).body | {"gender": "male"}
    seen = observation("x") | {"subject": {"reference": URN}}
    done = execute(
        entry(method="GET", url=f"Patient/{patient}"),
        entry(body, "PUT", f"Patient/{patient}", fullUrl=URN, request={"ifMatch": 'W/"1"'}),
        entry(method="DELETE", url=f"Observation/{gone}"),
        entry(seen),
        entry(method="GET", url=f"Observation?patient={patient}&_summary=count"),
    )
    assert [e["response"]["status"] for e in done] == [
        "200 OK",
        "200 OK",
        "204 No Content",
        "201 Created",
        "200 OK",
    ]
    assert done[0]["resource"]["gender"] == "male", "reading comes last"
    assert done[4]["resource"] == {"total": 1}
    assert elm.ids("Observation", ("patient", patient)) == ids(done[3:4])


def test_a_patient_goes_with_the_whole_chart(elm, execute):
    patient = elm.patient()
    seen = elm.add(observation(patient))
    with pytest.raises(InvalidResource):
        execute(entry(method="DELETE", url=f"Patient/{patient}"))
    execute(
        entry(method="DELETE", url=f"Patient/{patient}"), entry(method="DELETE", url=f"Observation/{seen}")
    )
    assert Resource.objects.filter(deleted=False).count() == 0


@pytest.mark.parametrize(
    ("bad", "issue"),
    [
        (observation("x", status=CANARY), ("Bundle.entry[1].resource.Observation.status", "code-invalid")),
        (observation(CANARY), ("Bundle.entry[1].resource.Observation.subject.reference", "not-found")),
        (
            observation("x")
            | {
                "subject": {"reference": URN},
                "code": {"coding": [{"system": f"http://{CANARY}", "code": CANARY}]},
            },
            ("Bundle.entry[1].resource.Observation.code.coding[0].system", "code-invalid"),
        ),
        (
            observation("x") | {"subject": {"reference": URN2}},
            ("Bundle.entry[1].resource.Observation.subject.reference", "not-found"),
        ),
        ({"resourceType": CANARY}, None),
        (CANARY, None),
    ],
)
def test_one_bad_entry_and_nothing_is_stored(execute, bad, issue):
    before = counts()
    bad = {"request": {"method": "POST", "url": "Observation"}, "resource": bad}
    with pytest.raises(InvalidResource) as problem:
        execute(entry(PATIENT, fullUrl=URN), bad, entry({"resourceType": "Organization", "name": "Elm"}))
    assert issue is None or issue in issues(problem)
    assert all(path.startswith("Bundle.entry[1]") for path, _ in issues(problem))
    assert CANARY not in str(problem.value)
    assert CANARY not in str(problem.value.issues)
    assert counts() == before


def test_another_practices_patient_leads_to_nothing(oak, execute):
    stranger = oak.patient()
    before = counts()
    with pytest.raises(InvalidResource) as problem:
        execute(entry(observation(stranger)))
    assert issues(problem) == [("Bundle.entry[0].resource.Observation.subject.reference", "not-found")]
    assert counts() == before


@pytest.mark.parametrize(
    "entries",
    [
        [entry(PATIENT, fullUrl=URN), entry(PATIENT, fullUrl=URN)],
        [entry(PATIENT | {"id": "a"}), entry(PATIENT | {"id": "a"})],
        [entry(PATIENT | {"id": "a"}, "PUT", "Patient/a"), entry(method="DELETE", url="Patient/a")],
    ],
)
def test_a_duplicate_id(execute, entries):
    before = counts()
    with pytest.raises(InvalidResource) as problem:
        execute(*entries)
    assert issues(problem) == [("Bundle.entry[1].fullUrl", "duplicate")]
    assert counts() == before


def test_somebody_else_was_first(elm, execute):
    patient = elm.patient()
    body = elm.put("Patient", patient, gender="male") and elm.read("Patient", patient).body
    before = counts()
    with pytest.raises(VersionConflict):
        execute(entry(PATIENT), entry(body, "PUT", f"Patient/{patient}", request={"ifMatch": 'W/"1"'}))
    assert counts()["Resource"] == before["Resource"]
    assert Superseded.objects.count() == 1


@pytest.mark.parametrize(
    "bundle",
    [
        None,
        [],
        {"resourceType": "Patient"},
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": CANARY},
        {"resourceType": "Bundle", "type": "collection", "entry": []},
        {"resourceType": "Bundle", "type": "transaction", "entry": CANARY},
        {"resourceType": "Bundle", "type": "transaction", "entry": [CANARY]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": PATIENT}]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [entry(PATIENT, "PATCH")]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [entry(PATIENT, url=CANARY)]},
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [entry(PATIENT, url=f"Patient?name={CANARY}")],
        },
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [entry(PATIENT, request={"ifNoneExist": CANARY})],
        },
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [entry(PATIENT, request={"ifMatch": CANARY})],
        },
        {"resourceType": "Bundle", "type": "transaction", "entry": [entry(PATIENT, request={"ifMatch": 7})]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [entry(PATIENT, fullUrl=7)]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [entry(PATIENT, "PUT", "Patient/1")]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [entry(method="GET", url=f"{CANARY}/1")]},
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [entry(method="GET", url="Patient/1/_history/1")],
        },
        {"resourceType": "Bundle", "type": "transaction", "entry": [{}] * 20_001},
    ],
    ids=range(20),
)
def test_what_is_no_bundle_is_refused(elm, bundle):
    before = counts()
    with pytest.raises(InvalidResource) as problem:
        elm.system.bundles.execute(lambda action: elm.grant(action.value), bundle, lambda *_: {})
    assert CANARY not in str(problem.value)
    assert counts() == before


def test_an_empty_one(execute):
    assert execute() == []
    assert execute(kind="batch") == []


def test_without_a_journal_nothing_is_stored(execute):
    before = counts()
    with without_journal(), pytest.raises(Unavailable):
        execute(entry(PATIENT, fullUrl=URN), entry(PATIENT))
    assert counts() == before


def test_a_role_writes_only_what_is_its_own(elm):
    desk = elm.member("front_desk")
    before = counts()
    with pytest.raises(AccessDenied):
        elm.system.bundles.execute(
            lambda action: elm.grant(action.value, desk, "TREAT"),
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [
                    entry(PATIENT, fullUrl=URN),
                    entry(observation("x") | {"subject": {"reference": URN}, "note": [{"text": "private"}]}),
                ],
            },
            lambda *_: {},
        )
    assert counts() == before


def test_a_read_that_fails_does_not_hide_what_was_stored(elm, execute):
    """The transaction is committed by then: an error for all of it would make the client store it twice."""
    done = execute(entry(PATIENT), entry(method="GET", url="Patient/6b1f0c1e-8a57-4c58-9a3f-0d6b8f5f2f11"))
    assert [e["response"]["status"][:3] for e in done] == ["201", "404"]
    assert elm.read("Patient", ids(done[:1])[0]).body["gender"] == "female"


# Batches


def test_a_batch_goes_on(elm, execute):
    patient = elm.patient()
    done = execute(
        entry(PATIENT),
        entry(observation(CANARY)),
        entry(PATIENT | {"gender": CANARY}),
        entry(method="GET", url=f"Patient/{patient}"),
        entry(method="DELETE", url="Patient/6b1f0c1e-8a57-4c58-9a3f-0d6b8f5f2f11"),
        entry(elm.read("Patient", patient).body, "PUT", f"Patient/{patient}", request={"ifMatch": 'W/"7"'}),
        entry(PATIENT),
        kind="batch",
    )
    assert [e["response"]["status"][:3] for e in done] == ["201", "422", "422", "200", "404", "409", "201"]
    assert CANARY not in str(done)
    told = done[1]["response"]["outcome"]
    assert told["issue"][0]["expression"] == ["Bundle.entry[1].resource.Observation.subject.reference"]
    assert Resource.objects.count() == 3


def test_a_batch_does_not_go_on_without_a_journal(execute):
    before = counts()
    with without_journal(), pytest.raises(Unavailable):
        execute(entry(PATIENT), entry(PATIENT), kind="batch")
    assert counts() == before
