"""Postfix, Exim and OpenSMTPD as the MX hosts of recipients: what they store is what we were given."""

import re
import smtplib

import pytest

import private_root
from bodies import BODIES
from mail_servers import Exim, OpenSmtpd, OpenSmtpdAsPackaged, Postfix
from reports import parse_report
from submission import SENDER, connect, message, send, submit

pytestmark = pytest.mark.skipif(private_root.missing() is not None, reason=str(private_root.missing()))

DOMAIN = "other.test"
# The fields each server puts in front of a message, in this order.
FRONT = {
    Postfix: ["Return-Path", "X-Original-To", "Delivered-To", "Received"],
    Exim: ["Return-path", "Envelope-to", "Delivery-date", "Received"],
    OpenSmtpd: ["Return-Path", "Delivered-To", "Received"],
    OpenSmtpdAsPackaged: ["Return-Path", "Delivered-To", "Received"],
}
# As the server's own trace field tells it.
TLS = {Postfix: b"(using TLSv1.3 with cipher TLS_", Exim: b"with esmtps  (TLS1.3)", OpenSmtpd: b"(TLSv1.3:TLS_"}


@pytest.fixture(scope="module")
def server_certificate(new_certificate):
    return new_certificate("mx", f"DNS:mx1.{DOMAIN}", key=("rsa:2048",))


@pytest.fixture
def internet(new_internet):
    return new_internet(f"{DOMAIN} mx=@1 listen=off", "client.test mx=@4")


@pytest.fixture(params=[Postfix, Exim, OpenSmtpd], ids=lambda kind: kind.__name__)
def server(request, directory, internet, server_certificate):
    started = request.param(directory("server"), internet.address(1), internet.mx_port, DOMAIN, server_certificate)
    yield started
    started.close()


@pytest.fixture
def relay(new_relay, internet, server, server_certificate, directory):
    """A relay that checks the server's certificate, where the server can do TLS."""
    authorities = directory("trust") / "authorities.pem"
    authorities.write_bytes(internet.ca_file.read_bytes() + server_certificate.chain.read_bytes())
    level = "verify" if server.speaks_tls else "may"
    return new_relay(internet, delivery={"tls": level, "ca_file": str(authorities)})


def assert_stored(server, stored, content):
    """`stored` is `content` behind our trace field, behind exactly the fields the server is known to add."""
    field = re.compile(rb"([\w-]+):[^\n]*\n(?:[ \t][^\n]*\n)*")
    names, end = [], 0
    while names.count("Received") < 1:
        found = field.match(stored, end)
        names.append(found[1].decode())
        received, end = found[0], found.end()
    assert names == FRONT[type(server)]
    assert f"by mx1.{DOMAIN}".encode() in received
    if server.speaks_tls:
        assert TLS[type(server)] in received
    ours = field.match(stored, end)
    assert ours[0].startswith(b"Received: from ") and b" by relay.client.test " in b" ".join(ours[0].split())
    assert stored[ours.end():] == content.replace(b"\r\n", b"\n")  # a mailbox has lines as Unix has them


def test_messages_are_stored_as_they_were_submitted(relay, server):
    contents = [message(body, subject=name) for name, body in BODIES.items()]
    for content in contents:
        submit(relay, f"ann@{DOMAIN}", content)
    stored = server.wait_mail("ann", len(contents))
    relay.wait_queue_empty()
    assert len(server.mailbox("ann")) == len(contents)
    for content in contents:
        subject = re.search(rb"Subject: ([^\r]*)", content)[0]
        (one,) = [mail for mail in stored if subject + b"\n" in mail]
        assert_stored(server, one, content)
    for record in relay.journal(event="delivered"):
        assert record["host"] == f"mx1.{DOMAIN}" and record["attempts"] == 1
        assert record["tls"].startswith("TLSv1.3 ")


@pytest.mark.parametrize("server", [Postfix, Exim], indirect=True, ids=["Postfix", "Exim"])
def test_messages_in_chunks_are_stored_as_they_were_submitted(new_relay, internet, server):
    with smtplib.SMTP(internet.address(1), internet.mx_port) as asked:
        asked.ehlo("asks.test")
        assert asked.has_extn("chunking")
    relay = new_relay(internet, delivery={"chunking": True})
    contents = [message(body, subject=name) for name, body in BODIES.items()]
    with connect(relay, "trusted") as smtp:
        for content in contents:
            send(smtp, f"ann@{DOMAIN}", content)
    stored = server.wait_mail("ann", len(contents))
    for content in contents:
        subject = re.search(rb"Subject: ([^\r]*)", content)[0]
        (one,) = [mail for mail in stored if subject + b"\n" in mail]
        assert_stored(server, one, content)


def test_recipients_of_a_message_each_get_it(relay, server):
    content = message(b"To all.\r\n")
    queue = submit(relay, [f"{name}@{DOMAIN}" for name in ("ann", "bob", "eve")], content)
    for name in ("ann", "bob", "eve"):
        (stored,) = server.wait_mail(name)
        assert_stored(server, stored, content)
    assert len(relay.wait_journal(event="delivered", id=queue, count=3)) == 3


def test_many_messages_on_one_connection_each_arrive_once(new_relay, internet, server):
    """More than OpenSMTPD takes on one: it answers 452 to the 101st MAIL, and to each one behind it."""
    relay = new_relay(internet, delivery={"connections_first": 1, "connections_max": 1})
    contents = [message(f"Number {number}.\r\n".encode()) for number in range(150)]
    with connect(relay, "trusted") as smtp:
        for content in contents:
            send(smtp, f"ann@{DOMAIN}", content)
    relay.wait_queue_empty()
    assert not relay.journal(event="deferred") and not relay.journal(event="bounced")
    stored = server.wait_mail("ann", len(contents))
    bodies = sorted(mail.rpartition(b"\n\n")[2] for mail in stored)
    assert bodies == sorted(content.rpartition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n") for content in contents)
    assert relay.metrics()["postrider_connections_reused_total"] >= 148


@pytest.mark.parametrize("server", [OpenSmtpdAsPackaged], indirect=True, ids=["OpenSmtpd"])
def test_a_server_that_fails_in_the_handshake_gets_the_message_in_the_clear(relay, server):
    content = message(b"Offered, and not kept.\r\n")
    queue = submit(relay, f"ann@{DOMAIN}", content)
    (stored,) = server.wait_mail("ann")
    assert_stored(server, stored, content)
    (delivered,) = relay.wait_journal(event="delivered", id=queue)
    assert delivered["attempts"] == 1 and "tls" not in delivered


def test_an_unknown_user_is_reported_to_the_sender(relay, server, internet):
    content = message(b"To two, one of whom there is not.\r\n")
    queue = submit(relay, [f"ann@{DOMAIN}", f"nobody-here@{DOMAIN}"], content)
    (stored,) = server.wait_mail("ann")
    assert_stored(server, stored, content)
    (received,) = internet.wait_received(SENDER)
    (fields,) = parse_report(received).recipients
    assert fields["Final-Recipient"] == f"rfc822; nobody-here@{DOMAIN}"
    assert fields["Remote-MTA"].startswith(f"dns; mx1.{DOMAIN}")
    assert re.match(r"smtp; 55\d ", fields["Diagnostic-Code"])
    (bounced,) = relay.wait_journal(event="bounced", id=queue)
    assert bounced["reply"].startswith("55")
    relay.wait_queue_empty()
    assert len(internet.received(SENDER)) == 1 and len(server.mailbox("ann")) == 1
