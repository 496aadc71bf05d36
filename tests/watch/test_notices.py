"""Notices go out by webhook, mail and syslog, and again until somebody takes them; none holds a value."""

from __future__ import annotations

import json
import socket
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from confide.errors import Misconfigured
from confide.server import alerting
from confide.watch.findings import Code, Signal, begin
from confide.watch.policy import Ways
from tests.practice import NOW

pytestmark = pytest.mark.django_db
SECRET = bytes(range(32))


@pytest.fixture
def listener():
    """Takes what is posted; refuses the first."""
    taken, refuse = [], [503]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = refuse.pop() if refuse else 200
            if status == 200:
                taken.append((self.headers["Confide-Signature"], body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/in", taken
    server.shutdown()
    server.server_close()


def put(ways):
    from confide.watch import containment, notices

    finding = begin("elm", "person:a", "session:s", Signal(Code.HONEY, 8, "A record was opened.", (1,)), NOW)
    notices.put(ways, finding, "f1", containment.Done(), NOW)


def test_a_webhook_is_signed_and_tried_again_until_it_is_taken(listener):
    from confide.watch import notices
    from confide.watch.models import Notice

    address, taken = listener
    ways = Ways(webhook=address)
    put(ways)
    assert notices.deliver(ways, lambda: SECRET, NOW) == ["webhook"]
    assert notices.deliver(ways, lambda: SECRET, NOW) == []
    assert taken == []
    assert notices.deliver(ways, lambda: SECRET, NOW + timedelta(minutes=2)) == []
    [(signature, body)] = taken
    assert signature == notices.sign(SECRET, body)
    told = json.loads(body)
    assert (told["code"], told["finding"]) == ("honey", "f1")
    assert "person:a" not in body.decode()
    assert Notice.objects.get().sent_at is not None
    assert notices.prune(NOW + timedelta(days=1)) == 1


def test_what_nobody_takes_is_given_up_after_three_days():
    from confide.watch import notices
    from confide.watch.models import Notice

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ways = Ways(webhook=f"http://127.0.0.1:{closed.getsockname()[1]}/")
        put(ways)
        assert notices.deliver(ways, lambda: SECRET, NOW) == ["webhook"]
        assert notices.deliver(ways, lambda: SECRET, NOW + timedelta(days=4)) == ["webhook"]
    assert Notice.objects.get().given_up_at is not None
    assert notices.deliver(ways, lambda: SECRET, NOW + timedelta(days=5)) == []


def test_a_syslog_gets_one_line():
    from confide.watch import notices

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(10)
        ways = Ways(syslog=f"127.0.0.1:{log.getsockname()[1]}")
        put(ways)
        assert notices.deliver(ways, lambda: SECRET, NOW) == []
        line = log.recv(4096).decode()
    assert "watch: finding f1 practice elm honey weight 8" in line


def test_the_table_is_read_written_and_refused_without_repeating_a_value():
    written = {"automatic": "frozen", "webhook": "https://a.example/x", "syslog": "/dev/log"}
    policy = alerting.parse(written)
    assert "[watch]" in alerting.format(policy)
    assert alerting.format(alerting.parse({})) == ""
    for wrong in (
        {"automatic": "shoot"}, {"webhook": "ftp://secret"}, {"mail_to": ["secret"]}, {"secret": 1},
        {"mail_to": ["a@b.example"]}, {"mail_relay": "secret"}, {"syslog": "secret"},
        {"webhook": "https://[secret"}, {"webhook": "https://"}, {"webhook": "https://secret:pw@a.example/"},
        {"webhook": "https://a.example/ secret"}, {"webhook": "https://a.example:secret/"},
        *({"mail_to": [each], "mail_relay": "a:25", "mail_from": "a@b.example"}
          for each in ("secret@", "a@[secret", "@", "a@b.example\nBcc: secret@c.example")),
        {"mail_from": "secret@"},
    ):  # fmt: skip
        with pytest.raises(Misconfigured) as refused:
            alerting.parse(wrong)
        assert "secret" not in str(refused.value) or "secret" in wrong


def test_a_way_that_does_not_answer_keeps_none_of_the_others_waiting():
    from confide.watch import notices
    from confide.watch.models import Notice

    with socket.socket() as closed, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        for each in (closed, log):
            each.bind(("127.0.0.1", 0))
        there, dead = (f"127.0.0.1:{each.getsockname()[1]}" for each in (log, closed))
        ways = Ways(
            webhook=f"http://{dead}/",
            mail=("Officer <a@b.example>",),
            sender="c@d.example",
            relay=dead,
            syslog=there,
        )
        for _ in range(20):
            put(ways)
        assert sorted(notices.deliver(ways, lambda: SECRET, NOW)) == ["mail", "webhook"]
    assert Notice.objects.filter(way="syslog", sent_at__isnull=False).count() == 20
    # One try was enough to see it; nothing is lost.
    assert Notice.objects.filter(tries=1, sent_at__isnull=True).count() == 2
    assert Notice.objects.filter(sent_at__isnull=True).count() == 40
