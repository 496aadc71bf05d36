"""An SMTP server on loopback: takes e-mails, keeps them, and can refuse, break off or be slow."""

from __future__ import annotations

import socketserver
import threading
from contextlib import suppress
from email import message_from_bytes, policy


class Mailbox(socketserver.ThreadingTCPServer):
    """Knows as much of RFC 5321 as a client needs to hand over e-mails."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, refuse=(), drop_after=None):
        super().__init__(("127.0.0.1", 0), Session)
        self.refuse = set(refuse)
        self.drop_after = drop_after
        self.taken = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *said):
        self.shutdown()
        super().__exit__(*said)

    @property
    def port(self):
        return self.server_address[1]

    @property
    def messages(self):
        return [message_from_bytes(content, policy=policy.default) for content in self.taken]


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        with suppress(ConnectionError):  # whoever was sending was killed
            self.serve()

    def serve(self):
        self.say("220 mailbox")
        while line := self.rfile.readline():
            word = line.strip().upper()
            if word == b"DATA":
                self.say("354 go on")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    if not line:
                        return  # it broke off in the middle: not taken
                    lines.append(line)
                self.server.taken.append(b"".join(lines))
                if self.server.drop_after == len(self.server.taken):
                    self.server.drop_after = None
                    return  # taken, and never said so
                self.say("250 taken")
            elif word.startswith(b"RCPT") and any(w.encode() in line for w in self.server.refuse):
                self.say("550 no such mailbox")
            elif word.startswith(b"QUIT"):
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
