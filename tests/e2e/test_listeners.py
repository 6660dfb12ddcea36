"""Listeners: load balancers that speak for their clients, sockets that a service manager passes, limits of one listener."""

import fcntl
import shutil
import smtplib
import socket
import ssl
import struct
import subprocess

import pytest

from relay_process import POSTRIDER, RUN_AS, environment, is_root
from submission import send, submit
from waiting import wait_for

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_1(client, family="TCP4"):
    return f"PROXY {family} {client} {'::1' if family == 'TCP6' else '10.0.0.1'} 40000 587\r\n".encode()


def version_2(client, local=False):
    addresses = socket.inet_aton(client) + bytes([10, 0, 0, 1]) + struct.pack(">HH", 40000, 587)
    return SIGNATURE + (b"\x20" if local else b"\x21") + b"\x11" + struct.pack(">H", len(addresses)) + addresses


class Proxied(smtplib.SMTP):
    """An SMTP client behind a load balancer that sends `header` first."""

    def __init__(self, port, header):
        self.header = header
        super().__init__("127.0.0.1", port, timeout=60)

    def _get_socket(self, host, port, timeout):
        link = super()._get_socket(host, port, timeout)
        link.sendall(self.header)
        return link


def test_each_listener_is_logged(new_relay, internet):
    relay = new_relay(internet, listener=[{"address": "127.0.0.1:0", "mode": "trusted"}] * 12)
    assert relay.log().count("submission: listening address=") == 12


@pytest.fixture
def balanced(new_relay, internet):
    """A relay whose trusted listener trusts 192.0.2.0/24 and stands behind a balancer on 127.0.0.1."""
    listener = {"address": "127.0.0.1:0", "mode": "trusted", "proxy_networks": ["127.0.0.1"]}
    return new_relay(internet, listener=[listener], submission={"trusted_networks": ["192.0.2.0/24"]})


@pytest.mark.parametrize("header", [version_1("192.0.2.7"), version_2("192.0.2.7")])
def test_the_client_is_the_one_the_balancer_names(balanced, internet, header):
    with Proxied(balanced.ports["trusted"], header) as smtp:
        smtp.ehlo("app.client.test")
        queue_id = send(smtp, "ann@one.test")
    internet.wait_received("ann@one.test")
    assert b"([192.0.2.7])" in internet.received("ann@one.test")[0].content
    assert balanced.journal(event="accepted", id=queue_id)[0]["client"] == "192.0.2.7"


@pytest.mark.parametrize("header", [version_1("198.51.100.1"), version_2("198.51.100.1"), b"PROXY UNKNOWN\r\n",
                                    version_2("192.0.2.7", local=True), version_1("2001:db8::1", "TCP6")])
def test_who_is_trusted_is_asked_of_the_named_client(balanced, header):
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        Proxied(balanced.ports["trusted"], header)
    assert refused.value.smtp_code == 554


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 192.0.2.7 10.0.0.1 1 2\r\n",
                                    SIGNATURE + b"\x21\x00\x00\x00", SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12)])
def test_a_trusted_balancer_trusts_nobody_that_it_does_not_name(new_relay, internet, header):
    relay = new_relay(internet, submission={"trusted_networks": ["127.0.0.1"]},
                      listener=[{"address": "127.0.0.1:0", "mode": "trusted", "proxy_networks": ["127.0.0.1"]}])
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        Proxied(relay.ports["trusted"], header)
    assert refused.value.smtp_code == 554
    with Proxied(relay.ports["trusted"], version_2("192.0.2.7", local=True)) as check:
        assert check.noop()[0] == 250


def test_a_balancer_without_a_header_is_sent_away_without_a_word(balanced):
    for said in (b"EHLO app.client.test\r\n", b"\x16\x03\x01\x02\x00", b"PROXY TCP4 1.2.3.4\r\n", b"P" * 5000):
        with socket.create_connection(("127.0.0.1", balanced.ports["trusted"]), timeout=30) as link:
            link.sendall(said)
            try:
                assert link.recv(100) == b""
            except ConnectionResetError:
                pass
    reason = 'postrider_connections_refused_total{reason="proxy_header"}'
    assert balanced.metrics()[reason] == 4


def test_a_balancer_that_says_nothing_is_not_waited_for(balanced):
    with socket.create_connection(("127.0.0.1", balanced.ports["trusted"]), timeout=50) as link:
        assert link.recv(100) == b""


def test_from_others_a_header_is_an_unknown_command(new_relay, internet):
    relay = new_relay(internet, submission={"trusted_networks": ["192.0.2.0/24", "127.0.0.1"]},
                      listener=[{"address": "127.0.0.1:0", "mode": "trusted", "proxy_networks": ["127.0.0.2"]}])
    with smtplib.SMTP("127.0.0.1", relay.ports["trusted"], timeout=60) as smtp:
        assert smtp.docmd(version_1("192.0.2.7").decode().strip())[0] == 500
    with socket.create_connection(("127.0.0.1", relay.ports["trusted"]), timeout=30) as link:
        link.sendall(version_2("192.0.2.7"))
        link.shutdown(socket.SHUT_WR)
        said = link.makefile("rb").read()
    assert b"\r\n500 " in said and b"\r\n250 " not in said


def test_tls_follows_the_header(new_relay, internet, certificate):
    relay = new_relay(internet, listener=[{"address": "127.0.0.1:0", "mode": "submissions",
                                           "proxy_networks": ["127.0.0.0/8"]}])
    with socket.create_connection(("127.0.0.1", relay.ports["submissions"]), timeout=30) as link:
        link.sendall(version_1("192.0.2.7"))
        context = ssl.create_default_context(cafile=certificate.chain)
        with context.wrap_socket(link, server_hostname="localhost") as secured:
            assert secured.recv(4) == b"220 "


def test_listeners_differ(new_relay, internet):
    relay = new_relay(internet, listener=[
        {"address": "127.0.0.1:0", "mode": "trusted", "host_name": "other.client.test", "connections_max": 1,
         "recipients_max": 2, "message_size_max": "10KiB"},
        {"address": "127.0.0.1:0", "mode": "submission"}])
    with smtplib.SMTP("127.0.0.1", relay.ports["trusted"], timeout=60) as smtp:
        code, greeting = smtp.ehlo("app.client.test")
        assert (code, greeting.split(b"\n")[0]) == (250, b"other.client.test")
        assert smtp.esmtp_features["size"] == "10240" and "RCPTMAX=2" in smtp.esmtp_features["limits"]
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            smtplib.SMTP("127.0.0.1", relay.ports["trusted"], timeout=60)
        assert refused.value.smtp_code == 421
        with smtplib.SMTP("127.0.0.1", relay.ports["submission"], timeout=60) as other:
            assert other.ehlo()[1].startswith(b"relay.client.test\n")


# --- sockets that are passed

def passed(relay, *sockets, names):
    """Starts the relay as a service manager does that has bound these sockets."""
    relay.starts += 1
    relay.log_file = relay.directory / f"relay-{relay.starts}.log"
    numbers = [link.fileno() for link in sockets]
    # Far from where they go to, so that none is overwritten before its turn.
    moves = " ".join(f"{3 + at}<&{number}" for at, number in enumerate(numbers))
    script = f"export LISTEN_PID=$$ LISTEN_FDS={len(numbers)} LISTEN_FDNAMES={names}; exec \"$@\" {moves}"
    with open(relay.log_file, "wb") as log:
        relay.process = subprocess.Popen(["bash", "-c", script, "bash", POSTRIDER, "serve", "--config", relay.config_file],
                                         stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=numbers,
                                         env=environment())
    return relay


def listening():
    """A listening socket, its descriptor far above those that are passed."""
    link = socket.create_server(("127.0.0.1", 0))
    number = fcntl.fcntl(link.fileno(), fcntl.F_DUPFD, 50)
    link.close()
    return socket.socket(fileno=number)


@pytest.fixture
def sockets():
    made = [listening(), listening()]
    yield made
    for link in made:
        link.close()


def test_passed_sockets_are_used_and_outlive_the_relay(new_relay, internet, sockets):
    by_address, by_name = sockets
    relay = new_relay(internet, start=False, listener=[
        {"address": "127.0.0.1:%d" % by_address.getsockname()[1], "mode": "trusted"},
        {"address": "127.0.0.1:0", "mode": "submission", "socket": "submission"}])
    passed(relay, by_address, by_name, names="trusted:submission").wait_ready()
    assert relay.ports == {"trusted": by_address.getsockname()[1], "submission": by_name.getsockname()[1]}
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")
    relay.stop()
    # A client that comes between two runs waits instead of being refused.
    waiting = socket.create_connection(by_address.getsockname(), timeout=60)
    passed(relay, by_address, by_name, names="trusted:submission").wait_ready()
    with waiting:
        assert waiting.recv(4) == b"220 "


def test_a_passed_socket_that_is_nobodys_stops_the_start(new_relay, internet, sockets):
    relay = new_relay(internet, start=False)
    passed(relay, sockets[0], names="odd")
    assert relay.wait_end(60) == 1
    assert "'odd'" in relay.log() and "no [[listener]]" in relay.log()


def test_variables_of_another_process_are_not_ours(new_relay, internet):
    relay = new_relay(internet, start=False)
    relay.variables = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    relay.start()
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")


def shown(relay, context, session=None):
    """What a handshake shows: the certificate, the session to resume, and whether this one was resumed."""
    with socket.create_connection(("127.0.0.1", relay.ports["submissions"]), timeout=60) as plain:
        with context.wrap_socket(plain, session=session) as secure:
            assert secure.recv(100).startswith(b"220 ")  # the ticket came before it
            return secure.getpeercert(binary_form=True), secure.session, secure.session_reused


def test_a_renewed_certificate_is_used_without_a_restart(new_relay, new_certificate, internet):
    used, renewed = (new_certificate(name, "DNS:relay.client.test") for name in ("used", "renewed"))
    for made in (used, renewed):
        if is_root():
            shutil.chown(made.key, RUN_AS)
    relay = new_relay(internet, tls={"certificate": str(used.chain), "key": str(used.key)})
    context = ssl._create_unverified_context()
    first, session, _ = shown(relay, context)
    renewed.chain.rename(used.chain)  # the key is still that of the other
    wait_for("the report", lambda: relay.metrics().get('postrider_certificates_reads_total{result="failed"}'))
    assert shown(relay, context)[0] == first
    renewed.key.rename(used.key)
    wait_for("the new certificate", lambda: shown(relay, context)[0] != first)
    assert shown(relay, context, session)[2]
