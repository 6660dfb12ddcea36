"""Mail hosts that are hostile by means of TLS alone, behind a handshake in order."""

import socket
import threading

import pytest

from raw_tls import RawTls
from submission import submit

UPDATES, TOGETHER = 1 << 20, 1 << 12  # each of some 30 octets, and answered by as many


class Host:
    """A smart host that offers STARTTLS, and then does what `act` does."""

    def __init__(self, certificate, act):
        self.certificate, self.act = certificate, act
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                link = self.listener.accept()[0]
            except OSError:
                return
            self.accepted += 1
            with link:
                try:
                    self.serve(link)
                except (OSError, AssertionError):
                    pass  # the relay has had enough

    def serve(self, link):
        link.settimeout(60)
        link.sendall(b"220 evil.test ESMTP\r\n")
        lines = link.makefile("rb", buffering=0)
        lines.readline()
        link.sendall(b"250-evil.test\r\n250 STARTTLS\r\n")
        lines.readline()
        link.sendall(b"220 go\r\n")
        tls = RawTls(link, self.certificate)
        tls.shake_hands()
        self.act(tls)

    def close(self):
        self.listener.close()


@pytest.fixture
def relay_of(new_relay, internet, certificate):
    """relay_of(act): a relay whose mail goes to a host that does this."""
    hosts = []

    def make(act):
        hosts.append(Host(certificate, act))
        return new_relay(internet, route=[{"domain": "one.test", "host": "127.0.0.1", "port": hosts[-1].port,
                                           "tls": "may"}])
    yield make
    for host in hosts:
        host.close()


def test_a_flood_that_asks_for_answers_ends_the_connection(relay_of):
    def flood(tls):
        tls.read()  # EHLO
        for _ in range(UPDATES // TOGETHER):
            tls.link.sendall(b"".join(tls.key_update() for _ in range(TOGETHER)))

    relay = relay_of(flood)
    queue = submit(relay, "ann@one.test")
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    assert "more answers of TLS than it reads" in deferred["reply"]


def test_a_reply_counts_that_came_before_the_connection_broke(relay_of):
    def accept(tls):
        for reply in (b"250-evil.test\r\n250 PIPELINING\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n"):
            tls.read()
            tls.link.sendall(tls.encrypted(reply))
        while not tls.read().endswith(b"\r\n.\r\n"):
            pass
        tls.link.sendall(tls.encrypted(b"250 ok taken\r\n") + b"\x17\x03\x03\x00\x20" + bytes(32))

    relay = relay_of(accept)
    queue = submit(relay, "ann@one.test")
    (ended, *_) = relay.wait_journal(id=queue, recipient="ann@one.test", count=2)[1:]
    assert ended["event"] == "delivered", ended
