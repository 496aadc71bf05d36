"""`confide watch`: a test notice arrives signed, and its receiver can check the signature."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from tests.cli.program import Confide


def test_a_test_notice_is_signed_by_the_secret_that_is_shown(installed: Confide) -> None:
    taken: list[tuple[str, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(
                (
                    self.headers["Confide-Signature"],
                    self.rfile.read(int(self.headers["Content-Length"])),
                )
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    assert "no way is configured" in installed("watch", "try", exits=1)
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    configured = installed.data / "confide.toml"
    configured.write_text(
        f'{configured.read_text()}\n[watch]\nwebhook = "http://127.0.0.1:{server.server_port}/in"\n'
    )
    try:
        assert "webhook          taken" in installed("watch", "try")
    finally:
        server.shutdown()
        server.server_close()
    [(signature, body)] = taken
    key = bytes.fromhex(installed("watch", "secret").strip())
    assert signature == f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"
    assert json.loads(body)["code"] == "test"
    assert "nobody took it" in installed("watch", "try", exits=1), "the receiver is gone"
