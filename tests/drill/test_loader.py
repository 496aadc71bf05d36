"""Filling a server over HTTP: a small server stands in for Confide."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import pytest

from confide.drill import loader
from confide.drill.synthetic import SyntheticPractice
from confide.errors import Misconfigured, Refused, Unavailable

TODAY = date(2026, 5, 4)


class Stand:
    """A server that stores bundles, and misbehaves as told."""

    def __init__(self):
        self.lock = Lock()
        self.bundles = []
        self.tokens = Counter()
        self.valid = {"token-1"}
        self.answers = []  # (status, headers, body) to give before the next proper answer
        self.connections = set()
        self.path = "/fhir/R4"
        stand = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with stand.lock:
                    stand.connections.add(self.client_address)
                    status, headers, answer = stand.answer(self.path, self.headers, body)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def answer(self, path, headers, body):
        token = headers["Authorization"].removeprefix("Bearer ")
        self.tokens[token] += 1
        if path != self.path or headers["Content-Type"] != "application/fhir+json; charset=utf-8":
            return 404, {}, b"{}"
        if token not in self.valid:
            return 401, {}, json.dumps({"error": "invalid_token"}).encode()
        if self.answers:
            return self.answers.pop(0)
        bundle = json.loads(body)
        self.bundles.append(bundle)
        entries = [
            {
                "response": {
                    "status": "201",
                    "location": f"{e['request']['url']}/s{len(self.bundles)}-{n}/_history/1",
                }
            }
            for n, e in enumerate(bundle["entry"])
        ]
        return (
            200,
            {},
            json.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries}).encode(),
        )

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def stand(monkeypatch):
    monkeypatch.setattr(loader, "_pause", lambda *_: 0.0)
    stand = Stand()
    yield stand
    stand.close()


def practice(count=12):
    return SyntheticPractice(count, 1, TODAY)


def outcome(text, *expression):
    issue = {
        "severity": "error",
        "code": "invalid",
        "details": {"text": text},
        "expression": list(expression),
    }
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


def test_a_practice_arrives_whole_and_once(stand):
    told = []
    summary = loader.fill(
        stand.url, lambda: "token-1", practice(), lambda done, total: told.append((done, total))
    )
    sent = list(practice().patient_bundles(summary.ids))
    key = lambda bundle: bundle["entry"][0]["fullUrl"]  # noqa: E731
    assert stand.bundles[0] == practice().practice_bundle()
    assert sorted(stand.bundles[1:], key=key) == sorted(sent, key=key)
    assert summary.patients == 12
    assert summary.bundles == len(stand.bundles)
    assert summary.resources == sum(len(bundle["entry"]) for bundle in stand.bundles)
    assert summary.retries == 0
    assert set(summary.ids) == {entry["fullUrl"] for entry in stand.bundles[0]["entry"]}
    assert all("/s1-" in reference for reference in summary.ids.values())
    assert told[0] == (0, 12)
    assert told[-1] == (12, 12)
    assert told == sorted(told)
    assert len(stand.connections) <= 2


def test_an_address_may_have_a_path(stand):
    stand.path = "/clinic/fhir/R4"
    assert loader.fill(stand.url + "/clinic/", lambda: "token-1", practice(1)).patients == 1


def test_a_busy_server_is_asked_again(stand):
    stand.answers = [(503, {"Retry-After": "1"}, b""), (429, {}, b"")]
    summary = loader.fill(stand.url, lambda: "token-1", practice(3))
    assert summary.retries == 2
    assert summary.patients == 3


def test_a_server_that_stays_busy_is_left_alone(stand):
    stand.answers = [(503, {}, b"")] * 50
    with pytest.raises(Unavailable, match="too busy"):
        loader.fill(stand.url, lambda: "token-1", practice(3))
    assert len(stand.answers) == 50 - loader.ATTEMPTS


def test_an_expired_token_is_renewed_once(stand):
    given = []

    def source():
        given.append(1)
        stand.valid = {f"token-{len(given)}"}
        return f"token-{len(given)}"

    def expire(done, _total):
        if done and len(given) == 1:
            stand.valid = {"token-2"}

    summary = loader.fill(stand.url, source, practice(), expire)
    assert summary.patients == 12
    assert len(given) == 2
    assert len(stand.bundles) == summary.bundles


def test_a_token_that_is_turned_down_twice_is_refused(stand):
    with pytest.raises(Refused, match="401: invalid_token"):
        loader.fill(stand.url, lambda: "other", practice(1))


def test_a_refusal_is_readable_and_stops(stand):
    stand.answers = [(422, {}, outcome("is not a known code", "Bundle.entry[3].resource.status"))]
    with pytest.raises(Refused, match=r"422: Bundle\.entry\[3\]\.resource\.status: is not a known code"):
        loader.fill(stand.url, lambda: "token-1", practice())
    assert stand.bundles == []


@pytest.mark.parametrize("body", [b"<html>no</html>", b"[]", b'{"issue": []}', b'{"issue": [7]}', b"null"])
def test_a_refusal_without_reason_is_still_an_answer(stand, body):
    stand.answers = [(403, {}, body)]
    with pytest.raises(Refused, match="403: no reason given"):
        loader.fill(stand.url, lambda: "token-1", practice(1))


def test_a_failing_server_is_unavailable(stand):
    stand.answers = [(502, {}, b"")]
    with pytest.raises(Unavailable, match="502"):
        loader.fill(stand.url, lambda: "token-1", practice(1))


def test_a_broken_off_answer_is_not_sent_again(stand):
    stand.answers = [(0, {}, b"")]
    with pytest.raises(Unavailable, match="may or may not"):
        loader.fill(stand.url, lambda: "token-1", practice(1))
    assert stand.tokens["token-1"] == 1


def test_something_else_than_a_fhir_server_is_noticed(stand):
    stand.answers = [(200, {}, b"hello")]
    with pytest.raises(Refused, match="not a FHIR bundle"):
        loader.fill(stand.url, lambda: "token-1", practice(1))
    stand.answers = [(200, {}, b'{"resourceType": "Bundle", "entry": [{}]}')]
    with pytest.raises(Refused, match="ids"):
        loader.fill(stand.url, lambda: "token-1", practice(1))


def test_nobody_there(monkeypatch):
    monkeypatch.setattr(loader, "_pause", lambda *_: 0.0)
    gone = Stand()
    gone.close()
    with pytest.raises(Unavailable, match="cannot be reached"):
        loader.fill(gone.url, lambda: "token-1", practice(1))


def test_an_address_must_be_one():
    with pytest.raises(Misconfigured, match="http"):
        loader.fill("ftp://example.org", lambda: "token-1", practice(1))


def test_waiting_grows_and_obeys():
    assert loader._pause(0, {}) < loader._pause(3, {})
    assert loader._pause(0, {"retry-after": "2"}) == 2
    assert loader._pause(30, {}) == 10
