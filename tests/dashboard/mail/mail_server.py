"""A mail server on loopback that can fail: real connections, real mails, no network."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """``failing`` is "" or where it refuses: ``greeting``, ``recipient`` or ``data``."""

    port: int = 0
    failing: str = ""
    received: list[EmailMessage] = field(default_factory=list)


@contextmanager
def running() -> Iterator[MailServer]:
    """A server on a free port, until the end of the block."""
    mail_server = MailServer()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if mail_server.failing == "greeting":
                self._say("421 Too busy")
                return
            self._say("220 loopback")
            while line := self.rfile.readline():
                match line.split()[0].upper().rstrip(b":"):
                    case b"QUIT":
                        self._say("221 Bye")
                        return
                    case b"RCPT" if mail_server.failing == "recipient":
                        self._say("451 Mailbox busy")
                    case b"DATA":
                        self._say("354 Go on")
                        self._take()
                    case _:
                        self._say("250 Yes")

        def _take(self) -> None:
            lines = iter(self.rfile.readline, b".\r\n")
            mail = message_from_bytes(b"".join(lines), policy=policy.default)
            if mail_server.failing == "data":
                self._say("452 Disk full")
                return
            mail_server.received.append(mail)
            self._say("250 Taken")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
    server.daemon_threads = True
    mail_server.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield mail_server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
