"""Wrong input over a real socket: a readable outcome without the value, nothing stored, no 500."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.leaks.canaries import Garden
from tests.leaks.premises import FHIR, Answer, Premises, children, empty_databases

BIG = 200 * 2**20
MOST_MEMORY = 100 * 2**20
MOST_SECONDS = 30  # of 200 MB through a loopback socket, on a busy machine
GARDEN = Garden(20_261_122)  # fixed: it stands in the names of tests, which all workers must agree on
W = GARDEN.word("wire")
FORM = "application/x-www-form-urlencoded"


class Served:
    def __init__(self, premises: Premises, pid: int) -> None:
        self.premises = premises
        self.pid = pid

    def memory(self) -> int:
        """The most that the serving process has held so far."""
        worker = max(children(self.pid))
        lines = Path(f"/proc/{worker}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def rows(self) -> int:
        return int(self.premises.rows("SELECT COUNT(*) FROM records_resource")[0][0])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with empty_databases() as databases:
        premises = Premises(tmp_path_factory.mktemp("wire") / "premises", databases)
        premises.found()
        premises.register("--purpose", "TREAT")
        with premises.serving() as server:
            premises.sign_in()
            yield Served(premises, server.pid)
        logs = premises.logs()
        assert not GARDEN.hits(logs.encode())


def outcome(answer: Answer, *statuses: int) -> dict[str, Any]:
    assert answer.status in statuses, (answer.status, answer.body[:300])
    assert answer.headers["Content-Type"].startswith(FHIR), answer.headers
    assert not GARDEN.hits(answer.raw)
    issue: dict[str, Any] = answer.json()["issue"][0]
    assert issue["diagnostics"]
    return issue


# Bodies that are too large


def _stream(served: Served, head: bytes, pieces: Iterator[bytes]) -> tuple[bytes, float]:
    """Send a body until it is sent or refused; return the answer and the seconds that it took."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", served.premises.port), 60) as connection:
        token = f"Authorization: Bearer {served.premises.token}\r\n".encode()
        connection.sendall(b"POST /fhir/R4/Patient HTTP/1.1\r\nHost: localhost\r\n" + token + head)
        try:
            for piece in pieces:
                connection.sendall(piece)
        except OSError:
            pass  # refused before it was all sent
        got = b""
        try:
            while b"}" not in got and (piece := connection.recv(65536)):
                got += piece
        except OSError:
            pass
    return got, time.monotonic() - begun


@pytest.mark.parametrize("how", ["declared", "in chunks", "one chunk"])
def test_200_megabytes(served: Served, how: str) -> None:
    before, stored = served.memory(), served.rows()
    head = f"Content-Type: {FHIR}\r\n".encode()
    block = (f'{{"a": "{W}"}},'.encode() * 4000)[: 2**16]
    count = BIG // len(block)
    if how == "declared":
        answer, seconds = _stream(
            served, head + f"Content-Length: {BIG}\r\n\r\n".encode(), (block for _ in range(count))
        )
    elif how == "in chunks":
        chunk = f"{len(block):x}\r\n".encode() + block + b"\r\n"
        pieces = (chunk if n < count else b"0\r\n\r\n" for n in range(count + 1))
        answer, seconds = _stream(served, head + b"Transfer-Encoding: chunked\r\n\r\n", pieces)
    else:
        opening = head + b"Transfer-Encoding: chunked\r\n\r\n" + f"{BIG:x}\r\n".encode()
        answer, seconds = _stream(
            served, opening, (block if n < count else b"\r\n0\r\n\r\n" for n in range(count + 1))
        )
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]
    assert b"OperationOutcome" in answer
    assert not GARDEN.hits(answer)
    assert seconds < MOST_SECONDS
    assert served.memory() - before < MOST_MEMORY
    assert served.rows() == stored


def test_a_body_that_never_comes(served: Served) -> None:
    """Others are served meanwhile."""
    with socket.create_connection(("127.0.0.1", served.premises.port), 5) as slow:
        slow.sendall(b"POST /fhir/R4/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
        assert served.premises.ask("GET", "/fhir/R4/metadata").status == 200


# Bodies that are no resource


def _deep(open_: str, close: str, depth: int) -> bytes:
    return (open_ * depth + close * depth).encode()


BODIES: dict[str, bytes] = {
    "deep arrays": b'{"resourceType":"Patient","name":' + _deep("[", "]", 100_000) + b"}",
    "deep objects": b'{"resourceType":"Patient","x":'
    + _deep('{"a":', "}", 5_000).replace(b":}", b":1}", 1)
    + b"}",
    "deep extensions": b'{"resourceType":"Patient","extension":'
    + b'[{"url":"http://x.example","extension":' * 3000
    + b"[]"
    + b"}]" * 3000
    + b"}",
    "invalid UTF-8": b'{"resourceType":"Patient","name":[{"family":"\xc3\x28' + W.encode() + b'"}]}',
    "overlong UTF-8": b'{"resourceType":"Patient","name":[{"family":"\xc0\xaf' + W.encode() + b'"}]}',
    "a surrogate in UTF-8": b'{"resourceType":"Patient","name":[{"family":"\xed\xa0\x80'
    + W.encode()
    + b'"}]}',
    "a lone surrogate": b'{"resourceType":"Patient","name":[{"family":"\\ud800' + W.encode() + b'"}]}',
    "a lone low surrogate": b'{"resourceType":"Patient","name":[{"family":"' + W.encode() + b'\\udc00"}]}',
    "a surrogate as a name": b'{"resourceType":"Patient","\\ud800' + W.encode() + b'":1}',
    "UTF-16": f'{{"resourceType":"Patient","id":"{W}"}}'.encode("utf-16"),
    "NUL": b'{"resourceType":"Patient","name":[{"family":"\\u0000' + W.encode() + b'"}]}',
    "a bare NUL": b'{"resourceType":"Patient","name":[{"family":"\0' + W.encode() + b'"}]}',
    "a control character": b'{"resourceType":"Patient","name":[{"family":"\\u0007' + W.encode() + b'"}]}',
    "a huge integer": b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 6000 + b"}",
    "a large integer": b'{"resourceType":"Patient","multipleBirthInteger":99999999999999999999}',
    "a huge exponent": b'{"resourceType":"Patient","multipleBirthInteger":1e999999999}',
    "not a number": b'{"resourceType":"Patient","multipleBirthInteger":NaN}',
    "infinity": b'{"resourceType":"Patient","multipleBirthInteger":-Infinity}',
    "a long array": b'{"resourceType":"Patient","name":[' + b",".join([b'"x"'] * 100_000) + b"]}",
    "a long array of nothing": b'{"resourceType":"Patient","name":[' + b",".join([b"{}"] * 100_000) + b"]}",
    "a thousand unknown members": json.dumps(
        {"resourceType": "Patient"} | {f"{W}{n}": n for n in range(1000)}
    ).encode(),
    "a key in __proto__": b'{"resourceType":"Patient","__proto__":{"' + W.encode() + b'":1}}',
    "a type that is a list": b'{"resourceType":["Patient"]}',
    "a type that is an object": b'{"resourceType":{"' + W.encode() + b'":1}}',
    "an abstract type": b'{"resourceType":"DomainResource"}',
    "a datatype": b'{"resourceType":"HumanName","family":"' + W.encode() + b'"}',
    "true": b"true",
    "a name that is no list": b'{"resourceType":"Patient","name":{"family":"' + W.encode() + b'"}}',
    "a script in a narrative": b'{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">'
    b"<script>" + W.encode() + b'</script></div>"}}',
    "an entity bomb": b'{"resourceType":"Patient","text":{"status":"generated","div":"'
    b'<!DOCTYPE d [<!ENTITY a \\"'
    + W.encode()
    + b'\\">]><div xmlns=\\"http://www.w3.org/1999/xhtml\\">&a;</div>"}}',
    "not base64": b'{"resourceType":"Binary","contentType":"text/plain","data":"' + W.encode() + b'!"}',
}


@pytest.mark.parametrize("what", BODIES)
def test_a_body_that_is_no_resource(served: Served, what: str) -> None:
    stored, before = served.rows(), served.memory()
    kind = "Binary" if b'"Binary"' in BODIES[what] else "Patient"
    outcome(served.premises.ask("POST", f"/fhir/R4/{kind}", BODIES[what]), 400, 422)
    outcome(served.premises.ask("POST", "/fhir/R4", BODIES[what]), 400, 422)
    good = b'{"request":{"method":"POST","url":"Patient"},"resource":{"resourceType":"Patient"}}'
    wrong = b'{"request":{"method":"POST","url":"%s"},"resource":%s}' % (kind.encode(), BODIES[what])
    bundle = b'{"resourceType":"Bundle","type":"transaction","entry":[%s,%s]}' % (good, wrong)
    outcome(served.premises.ask("POST", "/fhir/R4", bundle), 400, 422)
    assert served.rows() == stored
    assert served.memory() - before < MOST_MEMORY


def entry(resource: Any, **request: str) -> dict[str, Any]:
    return {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]} | request}


def bundles() -> dict[str, list[Any]]:
    patient = {"resourceType": "Patient", "id": W, "name": [{"family": W}]}
    seen = {"resourceType": "Observation", "status": "final", "code": {"text": W}}
    foreign = {"coding": [{"system": f"http://{W}.example", "code": W}]}
    return {
        "the same id twice": [entry(patient), entry(patient)],
        "the same fullUrl twice": [entry({"resourceType": "Patient"}) | {"fullUrl": f"urn:uuid:{W}"}] * 2,
        "a reference to nothing": [entry(patient), entry(seen | {"subject": {"reference": f"Patient/{W}x"}})],
        "a urn to nothing": [entry(patient), entry(seen | {"subject": {"reference": f"urn:uuid:{W}"}})],
        "an unknown system": [entry(patient), entry(seen | {"code": foreign})],
        "an update of nothing": [entry(patient), entry(patient, method="PUT", url=f"Patient/{W}")],
        "a deletion of nothing": [entry(patient), {"request": {"method": "DELETE", "url": f"Patient/{W}"}}],
        "another method": [entry(patient), entry(patient, method=W)],
        "an address elsewhere": [entry(patient), entry(patient, url=f"http://{W}.example/Patient")],
        "a script": [entry(patient), entry(patient, url=f"Patient/<script>{W}")],
        "no request": [entry(patient), {"resource": patient}],
        "no resource": [entry(patient), {"request": {"method": "POST", "url": "Patient"}}],
        "no entry": [entry(patient), W],
        "another version": [entry(patient), entry(patient, method="PUT", url=f"Patient/{W}", ifMatch=W)],
    }


@pytest.mark.parametrize("what", bundles())
def test_a_bundle_with_one_bad_entry(served: Served, what: str) -> None:
    stored = served.rows()
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": bundles()[what]}
    issue = outcome(served.premises.ask("POST", "/fhir/R4", bundle), 400, 404, 409, 422)
    if "nothing" not in what or "reference" in what:
        assert "entry[1]" in json.dumps(issue), issue
    assert served.rows() == stored


# Addresses, headers, methods


@pytest.mark.parametrize(
    "path",
    [
        f"/fhir/R4/Patient/{W}",
        f"/fhir/R4/Patient/'%20OR%201=1--{W}",
        f"/fhir/R4/Patient/%22;DROP%20TABLE%20{W}",
        f"/fhir/R4/Patient/..%2f..%2f..%2fetc%2f{W}",
        f"/fhir/R4/../../etc/{W}",
        f"/fhir/R4/Patient/%2e%2e/{W}",
        f"/fhir/R4/Patient/%00{W}",
        f"/fhir/R4/Patient/%ff%fe{W}",
        f"/fhir/R4/Patient/{W * 40}",
        f"/fhir/R4/%0d%0a{W}",
        f"/fhir/R4/Patient/%0d%0aSet-Cookie:%20{W}",
        f"/fhir/R4/Patient/1/_history/{W}",
        f"/fhir/R4/{W}/_search",
        f"/fhir/R4/Patient?_id={W}%00&{W}=1",
        f"/fhir/R4/Patient?_count=9{W}",
        f"/fhir/R4/Patient?_count=-1&x={W}",
        f"/fhir/R4/Patient?_cursor=%00{W}",
        f"/fhir/R4/Patient?birthdate={W}",
        f"/fhir/R4/Observation?date={W}&patient=1",
        f"/fhir/R4/Patient?{'&'.join(f'{W}{n}=1' for n in range(300))}",
        f"/fhir/R4/Patient?name:{W}=x",
        "/fhir/R4/Patient?birthdate=99999-99-99",
        "/fhir/R4/Patient?_sort=-_id,-_id,name",
        "/fhir/R4/Patient/999999999999/_history/9999999999999999",
    ],
)
def test_an_address_that_leads_nowhere(served: Served, path: str) -> None:
    outcome(served.premises.ask("GET", path), 400, 404, 405, 422)


@pytest.mark.parametrize("size", [10_000, 10 * 2**20])
def test_a_long_address(served: Served, size: int) -> None:
    line = b"GET /fhir/R4/Patient?name=" + W.encode() + b"x" * size + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    got = served.premises.raw(line)
    assert not GARDEN.hits(got)
    # What was still being sent may have cut the answer off.
    assert not got or (got.startswith(b"HTTP/1.1 414 ") and b"OperationOutcome" in got)
    assert served.premises.ask("GET", "/fhir/R4/metadata").status == 200


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "OPTIONS", "PROPFIND", "CONNECT", W.upper()])
def test_a_method_that_is_not_taken(served: Served, method: str) -> None:
    assert method == "OPTIONS" or outcome(served.premises.ask(method, "/fhir/R4/Patient"), 400, 405)


def test_a_method_in_a_header_is_none(served: Served) -> None:
    patient = {"resourceType": "Patient", "name": [{"family": "Quernheim"}]}
    made = served.premises.ask("POST", "/fhir/R4/Patient", patient).json()
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        served.premises.ask("GET", f"/fhir/R4/Patient/{made['id']}", **{name: "DELETE"})
        served.premises.ask("POST", f"/fhir/R4/Patient/{made['id']}", b"{}", **{name: "DELETE"})
        served.premises.ask("POST", f"/fhir/R4/Patient/{made['id']}?_method=DELETE", b"{}")
    assert served.premises.ask("GET", f"/fhir/R4/Patient/{made['id']}").status == 200


def test_half_a_request_after_another(served: Served) -> None:
    """Two lengths, or a length and chunks, would let one request hide in another."""
    token = f"Authorization: Bearer {served.premises.token}\r\n".encode()
    stored = served.rows()
    hidden = b"POST /fhir/R4/Patient HTTP/1.1\r\nHost: localhost\r\n" + token
    hidden += (
        b"Content-Type: application/fhir+json\r\nContent-Length: 26\r\n\r\n" + b'{"resourceType":"Patient"}'
    )
    for lengths in (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 4\r\nContent-Length: 300\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n",
    ):
        first = b"POST /fhir/R4/Basic HTTP/1.1\r\nHost: localhost\r\n" + lengths + b"\r\n0\r\n\r\n"
        got = served.premises.raw(first + hidden)
        assert b" 500 " not in got.split(b"\r\n")[0], got[:300]
        assert served.rows() == stored, lengths


# Who is asking


def test_a_session_is_no_token(served: Served) -> None:
    premises = served.premises
    premises.enter("drwho", *premises.hire("drwho", "clinician"))
    bearer, premises.token = premises.token, ""
    try:
        assert premises.page("GET", "/find").status == 200
        outcome(premises.page("GET", "/fhir/R4/Patient"), 401)
        outcome(premises.page("POST", "/fhir/R4/Patient", b"{}", Content_Type=FHIR), 401)
    finally:
        premises.token = bearer


def _sign(served: Served, **changes: Any) -> str:
    from confide.cli import client

    key = json.loads((served.premises.folder / "lab-key.json").read_text())
    url = f"http://127.0.0.1:{served.premises.port}/oauth/token"
    id_ = str(served.premises.rows("SELECT id FROM access_client")[0][0])
    return client.sign(key, changes.get("client", id_), changes.get("audience", url))


def _ask_token(served: Served, assertion: str) -> Answer:
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.cruds",
        "client_assertion": assertion,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    return served.premises.ask("POST", "/oauth/token", urlencode(form).encode(), Content_Type=FORM)


def test_an_assertion_is_good_once(served: Served) -> None:
    assertion = _sign(served)
    assert _ask_token(served, assertion).status == 200
    again = _ask_token(served, assertion)
    assert (again.status, again.json()["error"]) == (401, "invalid_client")


def test_assertions_that_are_not_good(served: Served) -> None:
    good = _sign(served)
    head, claims, signature = good.split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}
    for bad in (
        f"{none}.{claims}.",
        f"{none}.{claims}.{signature}",
        f"{head}.{claims}.",
        f"{head}.{claims}",
        f"{head}.{claims}.{signature[:-4]}AAAA",
        f"{head}.{claims[:-2]}AA.{signature}",
        f"{head}..{signature}",
        f"{W}.{W}.{W}",
        W,
        f"{good}.{W}",
        "a" * 60_000,
        _sign(served, audience="http://elsewhere.example/oauth/token"),
        _sign(served, client=W),
    ):
        answer = _ask_token(served, bad)
        assert answer.status in {400, 401}, (bad[:40], answer)
        assert not GARDEN.hits(answer.raw)


@pytest.mark.parametrize(
    "header", ["", "Bearer", f"Bearer {W}", "Bearer x" * 500, f"Basic {W}", f"bearer\t{W}", "Bearer \xff"]
)
def test_tokens_that_are_not_good(served: Served, header: str) -> None:
    answer = served.premises.ask("GET", "/fhir/R4/Patient", Authorization=header)
    outcome(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
