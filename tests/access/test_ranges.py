from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from confide.access import passwords
from confide.access.ranges import RangeApi
from confide.errors import Misconfigured, Unavailable, WeakPassword

BREACHED = "otter-lamp-fable-winter"
PADDED = "otter-lamp-fable-summer"


class Service(BaseHTTPRequestHandler):
    """A range API over two passwords, one of which is padding."""

    asked: list[str] = []
    headers_seen: list[str | None] = []

    def do_GET(self) -> None:
        prefix = self.path.rpartition("/")[2]
        self.asked.append(self.path)
        self.headers_seen.append(self.headers["Add-Padding"])
        lines = ["0" * 35 + ":3"]
        for password, count in ((BREACHED, 41), (PADDED, 0)):
            digest = hashlib.sha1(password.encode()).hexdigest().upper()
            if digest.startswith(prefix):
                lines.append(f"{digest[5:]}:{count}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write("\r\n".join(lines).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    Service.asked, Service.headers_seen = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/range"
        server.shutdown()
        thread.join()


def test_a_breached_password_is_found_by_five_digits(service: str) -> None:
    api = RangeApi(service)
    assert BREACHED in api
    assert PADDED not in api
    assert "something else entirely" not in api
    digest = hashlib.sha1(BREACHED.encode()).hexdigest().upper()
    assert Service.asked[0] == f"/range/{digest[:5]}"
    assert all(len(path) == len("/range/12345") for path in Service.asked)
    assert set(Service.headers_seen) == {"true"}


def test_it_is_one_list_among_others(service: str) -> None:
    with pytest.raises(WeakPassword):
        passwords.require_strong(BREACHED, [passwords.popular(), RangeApi(service)])


@pytest.mark.asvs("16.5.2")
def test_a_silent_service_is_told(service: str) -> None:
    address = service.replace("/range", "")
    port = int(address.rpartition(":")[2])
    with pytest.raises(Unavailable, match="does not answer") as refusal:
        assert BREACHED in RangeApi(f"http://127.0.0.1:{port + 1 if port < 65535 else port - 1}/")
    assert BREACHED not in str(refusal.value)


@pytest.mark.asvs("12.3.2", "13.2.4")
@pytest.mark.parametrize("url", ["http://passwords.example/range/", "ftp://127.0.0.1/", "nonsense", ""])
def test_an_open_line_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="https"):
        RangeApi(url)
