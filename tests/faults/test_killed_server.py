"""kill -9 of a server at work: a clear value that left is in the journal, what was acknowledged is there.

Each answer with a clear value has a receipt, which is kept before the answer is counted. After every kill
each receipt is found in the journal, and the tree leads from leaf to leaf to every checkpoint. `make drill`
kills five hundred times, the suite a few times.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from confide.audit.notes import Head, parse_note
from confide.audit.receipts import HEADER, Receipt
from confide.audit.tiles import Tiles
from confide.cipher import tree
from confide.cipher.tree import Frontier
from tests.leaks.premises import Premises, alive, children, empty_databases, kill
from tests.scale import scale

KILLS = scale(500, 6)
ALL_OF_IT = 5  # every so often the whole server is killed, not only the process that answers
AT_ONCE = 100  # tokens in one request
PATIENTS = 100
READERS = 3
ANSWERS = 40  # at most, before it is killed: on a slow machine that takes longer


@pytest.fixture(scope="module")
def premises(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    with empty_databases() as databases:
        made = Premises(tmp_path_factory.mktemp("served") / "premises", databases, log_level="WARNING")
        made.found()
        patients = [
            {"resourceType": "Patient", "id": f"p{n}", "name": [{"family": f"Quernheim{n}"}]}
            for n in range(PATIENTS)
        ]
        inbox = made.folder / "patients.ndjson"
        inbox.write_text("\n".join(map(json.dumps, patients)))
        made.run("import", str(inbox))
        made.register("--purpose", "TREAT")
        yield made


class Reader(threading.Thread):
    """Reads and writes until the server is gone; counts what it saw and what was acknowledged."""

    def __init__(self, premises: Premises, ids: list[str]) -> None:
        super().__init__()
        self.answers = 0
        self.premises = premises
        self.ids = ids
        self.saw: list[str] = []
        self.wrote: list[str] = []
        self.tokens: dict[str, str] = {}
        self.told: list[str] = []
        self.receipts: list[str] = []

    def _ask(self, *request: Any, **headers: str) -> Any:
        answer = self.premises.ask(*request, **headers)
        if HEADER in answer.headers:
            self.receipts.append(answer.headers[HEADER])
        elif b"Quernheim" in answer.body and answer.status == 200:
            self.receipts.append("missing")
        return answer

    def run(self) -> None:
        new = {"resourceType": "Basic", "code": {"text": "note"}}
        try:
            for n, id_ in enumerate(self.ids):
                self.answers += 1
                answer = self._ask("GET", f"/fhir/R4/Patient/{id_}")
                if answer.status == 200 and b"Quernheim" in answer.body:
                    self.saw.append(id_)
                if n % 3 == 0:
                    answer = self._ask("POST", "/fhir/R4/Basic", new, Prefer="return=minimal")
                    if answer.status == 201:
                        self.wrote.append(answer.headers["Location"].split("/")[-3])
                if n % 3 == 1:
                    self._exchange(id_)
        except (OSError, HTTPException):
            return

    def _exchange(self, patient: str) -> None:
        """Get a token for a name of this patient's, and the name back."""
        name = f"Quernheim {secrets.token_hex(8)}"
        items = [{"element": "name", "value": name, "patient": patient}]
        for made in counter(self, "tokenize", items):
            self.tokens[made["token"]] = name
            for shown in counter(self, "detokenize", [made]):
                assert shown["value"] == name
                self.told.append(patient)


def counter(reader: Reader, operation: str, items: list[Any]) -> list[dict[str, str]]:
    """The answers of the vault to a batch; none if the server is gone, or just came."""
    body = {"scope": "lab-partner", "items": items}
    answer = reader._ask("POST", f"/vault/{operation}", body, Content_Type="application/json")
    answered: list[dict[str, str]] = answer.json()["items"] if answer.status == 200 else []
    return answered


class Auditor:
    """Remembers how far the tree was right, and looks at what was added."""

    def __init__(self, premises: Premises) -> None:
        self.premises = premises
        self.frontier = Frontier()
        self.checked = 0
        self.receipts = 0

    def look(self, receipts: list[str]) -> None:
        """Each receipt is found, and the tree has grown right."""
        read = [Receipt.parse(each) for each in receipts]
        ids = {id_ for receipt in read for id_ in receipt.ids}
        if ids:
            span = f"BETWEEN {min(ids)} AND {max(ids)}"
            found = self.premises.rows(f"SELECT id, leaf FROM audit_journalentry WHERE id {span}")
            hashes = {id_: bytes(leaf) for id_, leaf in found}
            assert ids <= set(hashes), "an entry with a receipt is not there"
            for receipt in read:
                assert sha256(b"".join(hashes[id_] for id_ in receipt.ids)).digest() == receipt.sha256
        self.receipts += len(read)
        self._follow()

    def _follow(self) -> None:
        start = self.frontier.size
        published = Tiles(self.premises.folder / "data" / "journal")
        head = published.head()
        heads = self.premises.rows(
            f"SELECT size, root, note FROM audit_checkpoint WHERE size > {start} ORDER BY size"
        )
        leaves = self.premises.rows(
            "SELECT l.position, e.leaf, l.entry, l.of_patient, l.of_credential FROM audit_leaf l"
            f" JOIN audit_journalentry e ON e.id = l.entry WHERE l.position >= {start} ORDER BY l.position"
        )
        for size, root, note in heads:
            grown = leaves[self.frontier.size - start : size - start]
            assert [row[0] for row in grown] == list(range(self.frontier.size, size))
            hashes = [
                tree.hash_leaf(bytes(leaf) + b"".join(n.to_bytes(8, "big") for n in numbers))
                for _, leaf, *numbers in grown
            ]
            self.frontier = self.frontier.grow(hashes)
            assert self.frontier.root() == bytes(root)
            assert Head.parse(parse_note(note).text) == Head("confide.local/journal", size, bytes(root))
            self.checked += 1
        if head is not None:
            assert tree.root(head.size, published.nodes(head.size)) == head.root
            assert head.size <= self.frontier.size

    def finish(self) -> None:
        """Everything gets its place in the end."""
        for _ in range(200):
            [(entries,)] = self.premises.rows("SELECT count(*) FROM audit_journalentry")
            [(sealed,)] = self.premises.rows("SELECT count(*) FROM audit_leaf")
            if entries == sealed:
                break
            time.sleep(0.05)
        self.look([])
        assert self.frontier.size == entries


def test_many_kills(premises: Premises) -> None:
    ids = [str(i) for (i,) in premises.rows("SELECT id FROM records_resource WHERE type = 'Patient'")]
    ids = [i if "-" in i else f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}" for i in ids]
    dice = random.Random()
    saw, wrote = Counter[str](), set[str]()
    told, tokens = Counter[str](), dict[str, str]()
    auditor = Auditor(premises)
    with ExitStack() as stack:
        server = stack.enter_context(premises.serving())
        premises.sign_in()
        for number in range(1, KILLS + 1):
            worker = children(server.pid)
            readers = [Reader(premises, dice.sample(ids, len(ids))) for _ in range(READERS)]
            for reader in readers:
                reader.start()
            wanted = dice.randint(READERS + 1, ANSWERS)
            while sum(reader.answers for reader in readers) < wanted and any(r.is_alive() for r in readers):
                time.sleep(0.002)
            time.sleep(dice.uniform(0, 0.02))
            if number % ALL_OF_IT == 0:
                kill(server)
            else:
                for process in worker:
                    with suppress(ProcessLookupError):  # it had ended by itself, and another one comes
                        os.kill(process, signal.SIGKILL)
            while any(map(alive, worker)):
                time.sleep(0.005)
            receipts = []
            for reader in readers:
                reader.join(60)
                receipts += reader.receipts
                saw.update(reader.saw)
                wrote |= set(reader.wrote)
                told.update(reader.told)
                tokens |= reader.tokens
            if number % ALL_OF_IT == 0:
                server = stack.enter_context(premises.serving())
                premises.sign_in()  # a token is good for minutes
            _wait(premises)
            auditor.look(receipts)
        shown = premises.rows(
            "SELECT patient FROM audit_journalentry WHERE action = 'reveal' AND outcome = '0'"
        )
        some = [{"token": token} for token in tokens]
        back = [
            answer
            for start in range(0, len(some), AT_ONCE)
            for answer in counter(Reader(premises, []), "detokenize", some[start : start + AT_ONCE])
        ]
        assert [answer["value"] for answer in back] == list(tokens.values()), "an acknowledged token is lost"
        auditor.finish()
    assert auditor.receipts >= sum(saw.values()) + sum(told.values())
    assert auditor.checked > KILLS // ALL_OF_IT
    assert sum(saw.values()) > KILLS
    assert wrote
    entries = premises.rows("SELECT resource_id, elements FROM audit_journalentry WHERE action = 'read'")
    journalled = Counter(id_ for id_, elements in entries if "name" in _object(elements))
    missing = saw - journalled
    assert not missing, "clear values left without an entry in the journal"
    assert told, "no token was turned back"
    assert not told - Counter(patient for (patient,) in shown), "a value left without an entry in the journal"
    there = {
        str(i).replace("-", "")
        for (i,) in premises.rows("SELECT id FROM records_resource WHERE type = 'Basic'")
    }
    assert {w.replace("-", "") for w in wrote} <= there
    written = premises.rows("SELECT resource_id FROM audit_journalentry WHERE action = 'write'")
    assert Counter(i.replace("-", "") for (i,) in written) == Counter(there)
    print(
        f"{KILLS} kills: {auditor.receipts:,} answers with a receipt, {sum(told.values()):,} tokens"
        f" turned back and {len(wrote):,} acknowledged writes, all there; {auditor.checked:,} checkpoints of"
        f" {auditor.frontier.size:,} entries, all right"
    )


def _object(elements: Any) -> Any:
    return json.loads(elements) if isinstance(elements, str) else elements


def _wait(premises: Premises) -> None:
    """Until another process serves."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if premises.ask("GET", "/fhir/R4/metadata").status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.05)
    raise AssertionError(f"no server after a kill: {premises.logs()[-2000:]}")


def test_the_logs_are_silent_about_it(premises: Premises) -> None:
    assert "Quernheim" not in Path(premises.folder / "logs").read_text()
