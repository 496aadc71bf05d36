"""Fills a running server with a synthetic practice, as any outside program would: over the FHIR API.

Standard library only. Bundles go out over a few kept-open connections; what the server refuses stops
the filling with one readable error. Nothing is sent twice when it is not known whether it arrived.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import Any, Protocol
from urllib.parse import urlsplit

from confide.errors import Misconfigured, Refused, Unavailable

Json = dict[str, Any]
TokenSource = Callable[[], str]
Progress = Callable[[int, int], None]

TIMEOUT = 120.0  # seconds for one answer
ATTEMPTS = 8  # of one bundle while the server says that it is busy, or cannot be reached
_IDLE = 1.0  # seconds after which a kept-open connection is not trusted any more
_LONGEST_WAIT = 10.0
_BUSY = frozenset({429, 503})  # not 502 and 504: a proxy does not know whether the server did it


class Fillable(Protocol):
    """What can be filled in: ``SyntheticPractice`` is one."""

    @property
    def count(self) -> int:
        """How many patients there will be."""

    def practice_bundle(self) -> Json:
        """The transaction that comes first."""

    def patient_bundles(self, ids: Mapping[str, str]) -> Iterator[Json]:
        """The other transactions, given ``Type/id`` for each ``fullUrl`` of the first."""


@dataclass(slots=True)
class Summary:
    """What was done.

    Attributes:
        ids: ``Type/id`` on the server for each ``fullUrl`` of the practice bundle.
    """

    patients: int = 0
    resources: int = 0
    bundles: int = 0
    retries: int = 0
    seconds: float = 0.0
    ids: dict[str, str] = field(default_factory=dict)


def fill(
    base_url: str,
    token_source: TokenSource,
    practice: Fillable,
    progress: Progress = lambda _done, _total: None,
    *,
    connections: int = 2,
    ids: Mapping[str, str] | None = None,
) -> Summary:
    """Send a whole practice to a server.

    Args:
        base_url: Where the server answers, without ``/fhir/R4``.
        token_source: Gives a valid access token; asked at the start and whenever one is turned down.
        practice: What to send.
        progress: Told (patients done, patients in all) after each bundle, always in this thread.
        connections: How many bundles may be under way at once; with one, they are stored in order.
        ids: What an earlier, interrupted call returned: the practice itself is there and is not sent again.

    Raises:
        Refused: The server turned a bundle or the token down.
        Unavailable: The server cannot be reached, stays busy, or broke off an answer.
        Misconfigured: ``base_url`` is not an http address.
    """
    started = time.monotonic()
    summary = Summary()
    tokens = _Tokens(token_source)
    idle: SimpleQueue[_Sender] = SimpleQueue()
    senders = [_Sender(base_url, tokens) for _ in range(connections)]
    for sender in senders:
        idle.put(sender)

    def send(bundle: Json) -> Json:
        sender = idle.get()
        try:
            return sender.post(bundle)
        finally:
            idle.put(sender)

    pool = ThreadPoolExecutor(connections, thread_name_prefix="fill")
    try:
        if ids is None:
            first = practice.practice_bundle()
            summary.ids = _ids(first, send(first))
            summary.bundles, summary.resources = 1, len(first["entry"])
        else:
            summary.ids = dict(ids)
        progress(0, practice.count)
        waiting: dict[Future[Json], Json] = {}
        for bundle in practice.patient_bundles(summary.ids):
            waiting[pool.submit(send, bundle)] = bundle
            if len(waiting) > connections:
                _collect(waiting, summary, progress, practice.count)
        while waiting:
            _collect(waiting, summary, progress, practice.count)
    finally:
        pool.shutdown(cancel_futures=True)
        for sender in senders:
            sender.close()
    summary.retries = sum(sender.retries for sender in senders)
    summary.seconds = time.monotonic() - started
    return summary


def _collect(waiting: dict[Future[Json], Json], summary: Summary, progress: Progress, total: int) -> None:
    """Waits for at least one answer and counts it."""
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for each in done:
        each.result()
        entries = waiting.pop(each)["entry"]
        summary.bundles += 1
        summary.resources += len(entries)
        summary.patients += sum(entry["resource"]["resourceType"] == "Patient" for entry in entries)
        progress(summary.patients, total)


def _ids(bundle: Json, answer: Json) -> dict[str, str]:
    """``Type/id`` for each ``fullUrl``, from the answer's ``Type/id/_history/version``."""
    found: dict[str, str] = {}
    answers = answer.get("entry") or []
    if len(answers) == len(bundle["entry"]):
        for sent, got in zip(bundle["entry"], answers, strict=True):
            parts = str(got.get("response", {}).get("location", "")).split("/_history/")[0].split("/")
            if len(parts) >= 2 and parts[-1] and parts[-2] == sent["resource"]["resourceType"]:
                found[sent["fullUrl"]] = "/".join(parts[-2:])
    if len(found) != len(bundle["entry"]):
        raise Refused("the server's answer does not tell the ids of the practice's resources")
    return found


class _Tokens:
    """The token in use, shared by all connections."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._lock = Lock()
        self._token = source()

    def current(self) -> str:
        return self._token

    def renew(self, spent: str) -> str:
        """Another token than ``spent``; asked for once, however many connections found it spent."""
        with self._lock:
            if self._token == spent:
                self._token = self._source()
            return self._token


class _Sender:
    """One connection."""

    def __init__(self, base_url: str, tokens: _Tokens) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Misconfigured("the server's address must start with http:// or https://")
        self._path = parts.path.rstrip("/") + "/fhir/R4"
        host, port = parts.hostname, parts.port
        self._connection = (
            http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        )
        self._tokens = tokens
        self._used = 0.0
        self.retries = 0

    def close(self) -> None:
        self._connection.close()

    def post(self, bundle: Json) -> Json:
        """Send one transaction; the answer is the server's bundle."""
        body = json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()
        token, renewed = self._tokens.current(), False
        for attempt in range(ATTEMPTS):
            if attempt:
                self.retries += 1
            status, headers, answer = self._exchange(body, token)
            if status in (200, 201):
                return _bundle(answer)
            if status == 401 and not renewed:
                token, renewed = self._tokens.renew(token), True
            elif status in _BUSY or not status:
                time.sleep(_pause(attempt, headers))
            elif status >= 500:
                raise Unavailable(f"the server failed with {status}: {_reason(answer)}")
            else:
                raise Refused(f"the server answered {status}: {_reason(answer)}")
        if status:
            raise Unavailable(f"the server is too busy: it answered {status} {ATTEMPTS} times")
        raise Unavailable("the server cannot be reached (is it running at this address?)")

    def _exchange(self, body: bytes, token: str) -> tuple[int, Mapping[str, str], bytes]:
        """One request and its answer; status 0 if the request did not reach the server."""
        connection = self._connection
        if time.monotonic() - self._used > _IDLE:
            connection.close()
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/fhir+json; charset=utf-8",
            "Accept": "application/fhir+json",
        }
        try:
            connection.request("POST", self._path, body, headers)
        except OSError:
            # Not sent in full: a transaction that has not arrived whole cannot have been carried out.
            connection.close()
            return 0, {}, b""
        try:
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            text = "the server broke off its answer; the last bundle may or may not be stored"
            raise Unavailable(text) from None
        self._used = time.monotonic()
        return response.status, dict(response.getheaders()), answer


def _bundle(answer: bytes) -> Json:
    try:
        bundle = json.loads(answer)
    except ValueError:
        bundle = None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise Refused("the server's answer is not a FHIR bundle (is this the address of a FHIR server?)")
    return bundle


def _pause(attempt: int, headers: Mapping[str, str]) -> float:
    """Seconds to wait: what the server asks for, or longer each time."""
    asked = next((value for key, value in headers.items() if key.lower() == "retry-after"), "")
    seconds = float(asked) if asked.isascii() and asked.isdigit() else 0.1 * 2.0**attempt
    return min(seconds, _LONGEST_WAIT)


def _reason(answer: bytes) -> str:
    """What an OperationOutcome or an OAuth error says, in one line."""
    try:
        outcome = json.loads(answer)
    except ValueError:
        return "no reason given"
    if not isinstance(outcome, dict):
        return "no reason given"
    issues = outcome.get("issue") or [{}]
    issue = issues[0] if isinstance(issues, list) and isinstance(issues[0], dict) else {}
    details = issue.get("details")
    text = issue.get("diagnostics") or (details.get("text") if isinstance(details, dict) else "")
    text = text or outcome.get("error_description") or outcome.get("error") or "no reason given"
    where = issue.get("expression")
    place = f"{where[0]}: " if isinstance(where, list) and where else ""
    more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
    return f"{place}{text}"[:300] + more
