"""A day of use: charts come in, programs and people ask and write, and much of it is wrong."""

from __future__ import annotations

import base64
import gzip
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from confide.fhir import json as fhir_json
from confide.fhir import tables
from confide.fhir.validate import validate
from tests.leaks.canaries import Garden
from tests.leaks.planting import Planter
from tests.leaks.premises import Answer, Premises, csrf
from tests.leaks.pruning import prune

VARIANTS = 2
PER_TYPE = 6  # real examples of each type
CHARTS = 2  # real charts


class Day:
    """A day of use: what was planted, what was done, what came back."""

    def __init__(self, premises: Premises, garden: Garden, shared: Path) -> None:
        self.premises = premises
        self.garden = garden
        self.errors: list[tuple[str, Answer]] = []
        self.shown = 0
        self.patients = [garden.word("Patient.id") for _ in range(3)]
        self.inbox = premises.folder.parent / "inbox"
        self.inbox.mkdir()
        self.names: list[str] = []
        self.app = ""
        self._write_inbox(shared)

    # In the morning, charts come from another system

    def _write_inbox(self, shared: Path) -> None:
        made = []
        for variant in range(VARIANTS):
            planter = Planter(self.garden, variant, self.patients)
            made += [planter.resource(kind) for kind in sorted(tables.RESOURCES)]
        people = [
            Planter(self.garden, n, self.patients).resource("Patient", p) for n, p in enumerate(self.patients)
        ]
        self.names = [n["family"] for p in people if p for n in p.get("name", ()) if "family" in n]
        assert all(made), "a type of which nothing can be planted"
        self._ndjson("made", [*people, *made])
        planter = Planter(self.garden, 0, self.patients)
        self._ndjson("examples", [planter.replant(r) for r in examples(shared)])
        for n, chart in enumerate(charts(shared)):
            for entry in chart["entry"]:
                entry["resource"] = prune(planter.replant(entry["resource"]))
            (self.inbox / f"chart{n}.json").write_bytes(fhir_json.format(chart))
        (self.inbox / "wrong.ndjson").write_bytes(b"\n".join(self._wrong_lines()))
        (self.inbox / "broken.json").write_bytes(b'{"resourceType": "Bundle", "' + self._word("broken"))
        (self.inbox / "broken.json.gz").write_bytes(gzip.compress(self._word("broken"))[:-9])

    def _ndjson(self, name: str, resources: list[Any]) -> None:
        (self.inbox / f"{name}.ndjson").write_bytes(b"\n".join(fhir_json.format(r) for r in resources if r))

    def _word(self, place: str) -> bytes:
        return self.garden.word(place).encode()

    def _wrong_lines(self) -> list[bytes]:
        w = self._word
        return [
            b'{"resourceType": "Patient", "' + w("unknown element") + b'": 1}',
            b'{"resourceType": "' + w("unknown type") + b'"}',
            b'{"resourceType": "Patient", "gender": "' + w("wrong code") + b'"}',
            b'{"resourceType": "Patient", "birthDate": "' + w("wrong date") + b'"}',
            b'{"resourceType": "Patient", "name": "' + w("wrong shape") + b'"}',
            b'{"resourceType": "Patient", "id": "' + w("wrong id") + b' ?"}',
            b'{"resourceType": "Patient", "text": {"status": "generated", "div": "<div>'
            + w("wrong xhtml")
            + b'"}}',
            b'{"resourceType": "Observation", "subject": {"reference": "' + w("wrong reference") + b'"}}',
            b'{"resourceType": "Patient", "contact": [{"' + w("nested unknown element") + b'": [{}]}]}',
            w("no json at all"),
            b'"' + w("a string"),
            b'{"' + w("key") + b'": "' + w("value") + b'"} ' + w("after the end"),
            b"\xff\xfe" + w("not UTF-8"),
            b'{"resourceType": "Patient", "multipleBirthInteger": '
            + self.garden.number("huge number").encode() * 9
            + b"}",
        ]

    def morning(self) -> None:
        refusals = self.premises.folder / "refusals.ndjson"
        printed = self.premises.run("import", str(self.inbox), "--refused-to", str(refusals), codes=(1,))
        assert len(refusals.read_text().splitlines()) >= 16, printed
        self.premises.run("import", str(self.inbox), "--workers", "0", codes=(1,))

    # By day, programs ask

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        answer = self.premises.ask(method, path, body, **headers)
        assert answer.status != 500, (method, path, answer.body, self.premises.logs()[-3000:])
        if answer.status >= 400:
            self.errors.append((f"{method} {path}", answer))
        elif self.garden.shows(answer.body):
            self.shown += 1
        return answer

    def programs(self) -> None:
        word = self.garden.word
        ids = dict(self.premises.rows("SELECT type, id FROM records_resource WHERE deleted = false"))
        for kind, id_ in ids.items():
            self.ask("GET", f"/fhir/R4/{kind}/{uuid.UUID(str(id_))}")
        patient = uuid.UUID(str(ids["Patient"]))
        self.ask("GET", f"/fhir/R4/Patient/{patient}/$everything")
        self.ask("GET", f"/fhir/R4/Patient/{patient}/_history")
        form = "application/x-www-form-urlencoded"
        parameters = [
            "name",
            "family",
            "given",
            "identifier",
            "phone",
            "email",
            "telecom",
            "address",
            "address-city",
            "birthdate",
            "_id",
            "code",
        ]
        for name in [*parameters, "general-practitioner", "_tag", "_text", "_has", "_cursor", word("name")]:
            value = quote(word(f"search by {name}"))
            self.ask("GET", f"/fhir/R4/Patient?{name}={value}")
            self.ask("POST", "/fhir/R4/Patient/_search", f"{name}={value}".encode(), Content_Type=form)
            self.ask("GET", f"/fhir/R4/Observation?{name}={value}&patient={patient}")
            self.ask("GET", f"/fhir/R4/Patient?{name}:{word('modifier')}={value}")
        for name in self.names[:4]:
            self.ask("GET", f"/fhir/R4/Patient?family={name}")
            self.ask("POST", "/fhir/R4/Patient/_search", f"name={name[:14]}".encode(), Content_Type=form)
        self._write(patient)
        self._vault(patient)
        self._strange(patient)

    def _write(self, patient: uuid.UUID) -> None:
        word = self.garden.word
        number = self.garden.number
        new = {
            "resourceType": "Patient",
            "identifier": [
                {"system": "http://hl7.org/fhir/sid/us-ssn", "value": number("ssn")},
                {"value": word("id")},
            ],
            "name": [{"family": word("Patient.name"), "given": [word("given")], "text": word("text")}],
            "telecom": [
                {"system": "phone", "value": number("phone")},
                {"system": "email", "value": word("email")},
            ],
            "address": [
                {"line": [word("line")], "city": word("city"), "postalCode": word("zip"), "state": "OH"}
            ],
            "birthDate": "1987-03-14",
            "contact": [{"name": {"family": word("contact")}}],
            "extension": [{"url": f"http://{word('url')}.example", "valueString": word("extension")}],
        }
        answer = self.ask("POST", "/fhir/R4/Patient", new)
        assert answer.status == 201, answer.body
        made = {**new, "id": answer.headers["Location"].split("/")[-3]}
        made["name"] = [{"family": word("Patient.name")}]
        address = f"/fhir/R4/Patient/{made['id']}"
        assert self.ask("PUT", address, made).status == 200
        self.ask("PUT", address, made, If_Match=word("If-Match"))
        self.ask("PUT", address, made, If_Match='W/"7"')
        self.ask("GET", f"{address}/_history")
        self.ask("DELETE", address)
        self.ask("GET", address)
        good = {"resourceType": "Patient", "name": [{"family": word("Patient.name")}]}
        for wrong in self._wrong_lines():
            self.ask("POST", "/fhir/R4/Patient", wrong)
            self.ask("POST", "/fhir/R4/", wrong)
            body = b'{"resourceType":"Bundle","type":"transaction","entry":[' + _entry(
                json.dumps(good).encode()
            )
            self.ask("POST", "/fhir/R4/", body + b"," + _entry(wrong) + b"]}")
        subject = {"reference": f"Patient/{patient}"}
        seen = {
            "resourceType": "Observation",
            "status": "final",
            "subject": subject,
            "code": {"text": word("text")},
        }
        foreign = {"coding": [{"system": f"http://{word('system')}.example", "code": word("code")}]}
        self.ask("POST", "/fhir/R4/Observation", seen)
        self.ask("POST", "/fhir/R4/Observation", seen | {"code": foreign})
        self.ask(
            "POST", "/fhir/R4/Observation", seen | {"subject": {"reference": f"Patient/{word('reference')}"}}
        )
        self.ask(
            "POST", "/fhir/R4/Observation", seen | {"subject": {"reference": f"urn:uuid:{word('reference')}"}}
        )
        bundle = {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [
                {"request": {"method": "GET", "url": f"Patient?name={word('batch search')}"}},
                {"request": {"method": "GET", "url": f"Patient/{word('batch read')}"}},
                {"request": {"method": word("method"), "url": word("url")}},
                {
                    "fullUrl": word("fullUrl"),
                    "resource": good,
                    "request": {"method": "POST", "url": word("url")},
                },
            ],
        }
        self.ask("POST", "/fhir/R4/", bundle)
        for entry in bundle["entry"]:
            self.ask("POST", "/fhir/R4/", bundle | {"entry": [entry]})

    def _vault(self, patient: uuid.UUID) -> None:
        """Values go to the vault's counter and come back, and much of what is asked there is wrong."""
        word, number, whose = self.garden.word, self.garden.number, str(patient)
        values = [("name", word("name")), ("phone", number("phone")), ("email", f"{word('mail')}@x.example")]
        values += [("identifier", number("identifier")), ("mrn", word("mrn")), ("clinical", word("clinical"))]
        items = [{"element": element, "value": value, "patient": whose} for element, value in values]
        nobodys = [{"element": element, "value": value} for element, value in values]
        scope = {"scope": "lab-partner"}
        made = self._counter("tokenize", scope | {"items": [*items, *nobodys]})
        told = self._counter("detokenize", scope | {"items": made})
        assert [answer.get("value") for answer in told] == [value for _, value in values] * 2, told
        kept = self._counter("protect", {"items": items})
        covered = [
            {"patient": whose, "element": item["element"], **answer}
            for item, answer in zip(items, kept, strict=True)
        ]
        told = self._counter("reveal", {"items": covered})
        assert [answer.get("value") for answer in told] == [value for _, value in values], told
        self.shown += 2
        # Item by item
        wrong = [
            {"element": word("element"), "value": word("value")},
            {"element": "document", "value": word("refused element")},
            {"element": "name", "value": f"\0{word('control character')}"},
            {"element": "name", "value": word("long value") * 20},
            {"element": "name", "value": word("value"), "patient": word("patient")},
            {"element": "name", "value": word("value"), "patient": self.garden.uuid("patient")},
        ]
        self._counter("tokenize", scope | {"items": wrong})
        # What could be a token is looked up as it is, so a database that logs its statements logs it.
        never = [
            {"token": f"{word('token')}\n"},
            {"token": word("long token") * 20},
            {"token": "900-00-0001"},
        ]
        self._counter("detokenize", scope | {"items": never})
        self._counter("protect", {"items": [{"patient": whose} | item for item in wrong]})
        self._counter(
            "reveal",
            {
                "items": [
                    {"patient": whose, "element": "ssn", "stand_in": word("stand-in"), "alphabet": "10"},
                    {"patient": whose, "element": "phone", "stand_in": word("x"), "alphabet": word("y")},
                    {"patient": whose, "element": "name", "sealed": word("seal") + "!"},
                    {"patient": whose, "element": "name", "sealed": word("long enough") * 4},
                    {"patient": word("patient"), "element": word("element"), "sealed": "AAAA"},
                ]
            },
        )
        # And whole
        for operation in ("tokenize", "detokenize", "protect", "reveal"):
            address = f"/vault/{operation}"
            for body in (
                {"items": [], word("field"): word("value")},
                {"scope": word("scope"), "items": [{word("field"): word("value")}]},
                {"scope": word("scope"), "items": []},
                {"scope": "lab-partner", "expires": word("expires"), "items": []},
                {"items": word("items")},
                word("a string"),
            ):
                self.ask("POST", address, body, Content_Type="application/json")
            for raw in self._wrong_lines():
                self.ask("POST", address, raw, Content_Type="application/json")
            self.ask("POST", address, self._word("text"), Content_Type="text/plain")
            self.ask("GET", f"{address}?{word('parameter')}={word('value')}")
            self.ask("POST", f"{address}/{word('path')}", {"items": []}, Content_Type="application/json")
            self.ask("POST", address, {"items": []}, Authorization=f"Bearer {word('token')}")

    def _counter(self, operation: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """One batch; an item's error is an error like any other."""
        answer = self.ask("POST", f"/vault/{operation}", body, Content_Type="application/json")
        assert answer.status == 200, answer.body
        items: list[dict[str, Any]] = answer.json()["items"]
        for item in items:
            if "error" in item:
                told = Answer(422, answer.headers, json.dumps(item).encode())
                self.errors.append((f"an item of POST /vault/{operation}", told))
        return items

    def _strange(self, patient: uuid.UUID) -> None:
        word = self.garden.word
        for path in (
            f"/{word('path')}",
            f"/fhir/{word('path')}",
            f"/fhir/R4/{word('type')}",
            f"/fhir/R4/{word('type')}/1",
            f"/fhir/R4/Patient/{word('id')}",
            f"/fhir/R4/Patient/{word('id')}/_history",
            f"/fhir/R4/Patient/{patient}/_history/{word('version')}",
            f"/fhir/R4/Patient/{patient}/${word('operation')}",
            f"/fhir/R4/Patient/{patient}/$everything?{word('parameter')}={word('value')}",
            f"/{word('a')}/{word('b')}/",
            f"/fhir/R4/Patient/{self.garden.uuid('id')}",
            f"/patients/{word('id')}",
            f"/static/{word('static')}.css",
            f"/fhir/R4/Patient/..%2f..%2f{word('traversal')}",
            f"/fhir/R4/Patient/%27%20OR%201=1--{word('sql')}",
            f"/fhir/R4/Patient?_format={word('format')}",
            f"/fhir/R4/Patient/%00{word('nul')}",
            f"/journal?a={word('q')}",
            f"/fhir/R4/Patient?_count={word('count')}",
            f"/fhir/R4/Patient?_sort={word('sort')}",
            f"/fhir/R4/Patient?birthdate=gt{word('date')}",
            f"/fhir/R4/Patient?identifier=%7C{word('identifier')}",
            f"/fhir/R4/Patient?name={'x' * 3000}{word('long')}",
            f"/fhir/R4/Patient?name=%ff%fe{word('bytes')}",
            f"/fhir/R4/Observation?subject=Patient/{word('chain')}&date={word('date')}",
            f"/oauth/{word('oauth')}",
        ):
            self.ask("GET", path)
            self.ask("DELETE", path)
            self.ask("POST", path, self._word("body"))
        self.ask(word("METHOD").upper(), "/fhir/R4/Patient")
        names = "Accept Accept-Language Authorization Cookie Prefer If-None-Exist If-Match Content-Type Host"
        more = (
            "X-Forwarded-For X-Forwarded-Host User-Agent Content-Encoding X-Request-Id Origin Forwarded From"
        )
        for name in f"{names} {more}".split():
            value = word(f"header {name}")
            self.ask("GET", f"/fhir/R4/Patient/{patient}", **{name: value})
            self.ask("POST", "/fhir/R4/Patient", b"{}", **{name: value})
            self.ask("GET", "/", **{name: value})
        self.ask("GET", "/fhir/R4/Patient", Authorization=f"Bearer {word('token')}")
        self.ask(
            "GET", "/fhir/R4/Patient", Authorization=f"Basic {base64.b64encode(self._word('basic')).decode()}"
        )
        self._oauth()
        self._wire()

    def _oauth(self) -> None:
        word = self.garden.word
        form = "application/x-www-form-urlencoded"
        kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        unsigned = _jwt({"alg": "none"}, {"sub": word("sub"), "iss": word("iss"), "jti": word("jti")}, "")
        forged = _jwt({"alg": "ES384", "kid": word("kid")}, {"sub": word("sub")}, word("signature"))
        for presented in (word("assertion"), unsigned, forged):
            body = f"grant_type=client_credentials&client_assertion={presented}&client_assertion_type={kind}"
            self.ask("POST", "/oauth/token", body.encode(), Content_Type=form)
        self.ask(
            "POST", "/oauth/token", f"grant_type={word('grant')}&{word('name')}=1".encode(), Content_Type=form
        )
        self.ask("GET", f"/oauth/token?a={word('query')}")

    def _wire(self) -> None:
        """What is no HTTP gets an answer of the web server itself."""
        w = self._word
        rest = b" HTTP/1.1\r\nHost: localhost\r\n"
        for request in (
            b"GET /" + w("line") + b" HTTP/9.9\r\n\r\n",
            b"GET /" + w("line") + b"\r\n\r\n",
            w("no http") + b"\r\n\r\n",
            w("METHOD").lower() + b"{} /" + rest + b"\r\n",
            b"GET /fhir/R4/Patient?name=" + w("long") + b"x" * 20000 + rest + b"\r\n",
            b"GET /" + rest + w("header without colon") + b"\r\n\r\n",
            b"GET /" + rest + w("name") + b" : x\r\n\r\n",
            b"GET /" + rest + b"X: " + w("header") + b"x" * 20000 + b"\r\n\r\n",
            b"GET /" + rest + b"".join(b"X-%d: %s\r\n" % (n, w("header")) for n in range(200)) + b"\r\n",
            b"POST /fhir/R4/Patient" + rest + b"Content-Length: " + w("length") + b"\r\n\r\n",
            b"POST /fhir/R4/Patient" + rest + b"Transfer-Encoding: " + w("encoding") + b"\r\n\r\n",
            b"POST /fhir/R4/Patient" + rest + b"Transfer-Encoding: chunked\r\n\r\n" + w("chunk") + b"\r\n",
            b"POST /fhir/R4/Patient" + rest + b"Content-Length: 99\r\n\r\n" + w("short"),
            b"GET http://" + w("host") + b"/" + rest + b"\r\n",
            b"GET / HTTP/1.1\r\nHost: " + w("host") + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: " + w("host") + b"\r\n\r\n",
            b"PROXY TCP4 " + w("proxy") + b"\r\n",
        ):
            answer = self.premises.raw(request)
            self.errors.append((repr(request[:60]), Answer(400, {}, answer)))

    # People look at pages

    def people(self, password: str, invitation: str) -> None:
        word = self.garden.word
        premises = self.premises
        first = premises.page("GET", "/sign-in")
        token = csrf(first)
        premises.post_page("/sign-in", {"login": "drlee", "password": word("password")}, token)
        self._page_error(premises.post_page("/sign-in", {"login": word("login"), "password": "x"}, "bad"))
        premises.post_page("/invitation", {"login": word("login"), "words": word("invitation")}, token)
        self.app = premises.enter("drlee", password, invitation)
        finder = premises.page("GET", "/find")
        assert finder.status == 200, finder.body[:500]
        token = csrf(finder)
        found = ""
        for name in [*self.names[:3], word("finder"), self.names[0][:13], "05/04/1987 " + word("finder")]:
            answer = premises.post_page("/found", {"q": name}, token)
            assert answer.status == 200, answer.body[:500]
            match = re.search(rb"/patients/([0-9a-f-]{36})", answer.body)
            found = match[1].decode() if match else found
        assert found, "the finder finds nobody"
        chart = premises.page("GET", f"/patients/{found}")
        assert chart.status == 200, chart.body[:800]
        self.shown += self.garden.shows(chart.body)
        for element in ("name", "birth-date", "phone", "address", "contact", "identifier", word("element")):
            form = {"element": element, "purpose": "TREAT", "type": "Patient", "id": found}
            answer = premises.post_page(f"/patients/{found}/reveal", form, token)
            self.shown += answer.status == 200 and self.garden.shows(answer.body)
            if answer.status >= 400:
                self._page_error(answer)
        wrong = {"element": "name", "purpose": word("purpose"), "type": word("type"), "id": word("id")}
        self._page_error(premises.post_page(f"/patients/{found}/reveal", wrong, token))
        self._page_error(premises.post_page(f"/patients/{word('id')}/reveal", wrong, token))
        for path in (f"/patients/{word('id')}", f"/{word('page')}", f"/journal?patient={word('patient')}"):
            self._page_error(premises.page("GET", path))
        self._page_error(premises.post_page("/choose", {"membership": word("membership")}, token))
        self._page_error(premises.post_page("/found", {"q": word("q")}, word("csrf")))

    def _page_error(self, answer: Answer) -> None:
        assert answer.status != 500, answer.body[:500]
        if answer.status >= 400:
            self.errors.append(("page", answer))


def examples(shared: Path) -> Iterator[dict[str, Any]]:
    """The first valid examples of each type."""
    for path in sorted((shared / "fhir/r4-examples").glob("*.gz")) + sorted(
        (shared / "fhir/us-core-examples").glob("*.gz")
    ):
        taken = 0
        with gzip.open(path) as lines:
            for line in lines:
                resource = fhir_json.parse(line)
                if not validate(resource):
                    yield resource
                    taken += 1
                if taken == PER_TYPE:
                    break


def charts(shared: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((shared / "fhir/synthea").glob("*.gz"))[:CHARTS]:
        yield fhir_json.parse(gzip.decompress(path.read_bytes()))


def _entry(resource: bytes) -> bytes:
    return b'{"request":{"method":"POST","url":"Patient"},"resource":' + resource + b"}"


def _jwt(header: Any, claims: Any, signature: str) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in (header, claims)]
    return ".".join([*parts, signature])
