"""Dovecot as the mail store of recipients: what is delivered by LMTP is read back over IMAP and POP3."""

import re

import pytest

import private_root
from bodies import BODIES
from mail_servers import Dovecot
from relay_process import tool
from reports import parse_report
from submission import SENDER, message, submit

pytestmark = pytest.mark.skipif(private_root.missing() is not None, reason=str(private_root.missing()))

DOMAIN = "store.test"
# What Dovecot puts in front of a message, in this order; with several recipients without the second.
FRONT = ["Return-Path", "Delivered-To", "Received"]


@pytest.fixture(scope="module")
def store_certificate(new_certificate):
    return new_certificate("store", f"DNS:mx1.{DOMAIN}")


@pytest.fixture
def internet(new_internet):
    return new_internet(f"{DOMAIN} mx=@1 listen=off", "client.test mx=@4")


@pytest.fixture
def store(directory, internet, store_certificate):
    started = Dovecot(directory("store"), internet.address(1), internet.mx_port, DOMAIN, store_certificate)
    yield started
    started.close()


@pytest.fixture
def relay_at_socket(new_relay, internet, store):
    path = store.root.shared / store.SOCKET
    return new_relay(internet, route=[{"domain": DOMAIN, "host": f"unix:{path}", "protocol": "lmtp"}])


@pytest.fixture
def relay_with(new_relay, internet, store, store_certificate):
    def make(**route):
        entry = {"domain": DOMAIN, "host": f"mx1.{DOMAIN}", "port": store.port, "protocol": "lmtp", **route}
        return new_relay(internet, delivery={"ca_file": str(store_certificate.chain)}, route=[entry])
    return make


def behind_trace(stored, name, front=FRONT):
    """What `stored` holds behind Dovecot's fields and ours."""
    field = re.compile(rb"([\w-]+):[^\n]*\r\n(?:[ \t][^\n]*\r\n)*")
    names, end = [], 0
    while names.count("Received") < 2:
        found = field.match(stored, end)
        names.append(found[1].decode())
        if names[-1] == "Delivered-To":
            assert found[0] == f"Delivered-To: {name}@{DOMAIN}\r\n".encode()
        end = found.end()
    assert names == [*front, "Received"]
    assert b" by relay.client.test " in b" ".join(found[0].split())
    return stored[end:]


@pytest.mark.parametrize("level", ["none", "encrypt", "verify"])
def test_messages_are_read_as_they_were_submitted(relay_with, store, level):
    relay = relay_with(tls=level)
    contents = {name: message(body, subject=name) for name, body in BODIES.items()}
    for content in contents.values():
        submit(relay, f"ann@{DOMAIN}", content, mode="submission")
    over_imap = store.wait_mail("ann", len(contents))
    relay.wait_queue_empty()
    over_pop3 = store.pop3_mailbox("ann")
    for name, content in contents.items():
        for stored in over_imap, over_pop3:
            (one,) = [mail for mail in stored if f"Subject: {name}\r\n".encode() in mail]
            assert behind_trace(one, "ann") == content
    records = relay.journal(event="delivered")
    assert len(records) == len(contents) == len(over_imap) == len(over_pop3)
    for record in records:
        assert record["host"] == f"mx1.{DOMAIN}" and record["attempts"] == 1 and "lmtp" in record["site"]
        assert ("tls" in record) == (level != "none")


def test_each_recipient_has_its_own_outcome(relay_with, store, internet):
    """One does not exist, which RCPT says; one has no room, which is said behind the text, between those who have."""
    relay = relay_with(tls="none")
    names = ["ann", "nobody-here", store.FULL, "bob"]
    content = message(b"This is too much for some.\r\n" * 100)
    queue = submit(relay, [f"{name}@{DOMAIN}" for name in names], content, mode="submission")
    for name in ("ann", "bob"):
        for stored in *store.wait_mail(name), *store.pop3_mailbox(name):
            assert behind_trace(stored, name, front=[FRONT[0], FRONT[2]]) == content
    delivered = relay.wait_journal(event="delivered", id=queue, count=2)
    assert [record["recipient"] for record in delivered] == [f"ann@{DOMAIN}", f"bob@{DOMAIN}"]
    bounced = {record["recipient"]: record["reply"] for record in relay.wait_journal(event="bounced", id=queue, count=2)}
    assert bounced[f"nobody-here@{DOMAIN}"].startswith("550 5.1.1 ")
    assert bounced[f"{store.FULL}@{DOMAIN}"].startswith("552 5.2.2 ")
    (received,) = internet.wait_received(SENDER)
    fields = parse_report(received).recipients
    assert [one["Final-Recipient"] for one in fields] == [f"rfc822; {name}@{DOMAIN}" for name in names[1:3]]
    relay.wait_queue_empty()
    assert not store.mailbox(store.FULL)
    metrics = relay.metrics()
    assert metrics["postrider_recipients_delivered_total"] == 3  # the report is one


def test_a_connection_carries_one_message_after_another(relay_with, store):
    relay = relay_with(tls="none")
    for number in range(3):
        submit(relay, [f"ann@{DOMAIN}", f"bob@{DOMAIN}"], message(f"Number {number}.\r\n".encode()))
        relay.wait_queue_empty()
    assert len(store.wait_mail("ann", 3)) == len(store.wait_mail("bob", 3)) == 3
    assert relay.metrics()["postrider_connections_reused_total"] == 2


def test_messages_go_through_a_socket_of_this_machine(relay_at_socket, store, internet):
    relay = relay_at_socket
    content = message(b"Through a socket.\r\n")
    for _ in range(2):
        submit(relay, [f"ann@{DOMAIN}", f"nobody-here@{DOMAIN}"], content)
        relay.wait_queue_empty()
    stored = store.wait_mail("ann", 2)
    assert [behind_trace(one, "ann") for one in stored] == [content, content]
    record = relay.journal(event="delivered", recipient=f"ann@{DOMAIN}")[0]
    assert record["host"].startswith("unix:/") and record["host"].endswith("/" + store.SOCKET)
    assert not record.get("ip") and not record.get("tls")
    fields = parse_report(internet.wait_received(SENDER)[0]).recipients[0]
    assert fields["Remote-MTA"] == "dns; relay.client.test"
    assert fields["Diagnostic-Code"].startswith("smtp; 550 5.1.1 ")
    assert relay.metrics()["postrider_connections_reused_total"] >= 1
    done = tool("explain", f"ann@{DOMAIN}", "--admin", relay.admin)
    assert f"LMTP server {record['host']}, TLS none" in done.stdout


def test_mail_waits_while_nobody_listens_at_the_socket(new_relay, internet, directory):
    path = directory("socket") / "lmtp"
    relay = new_relay(internet, route=[{"domain": DOMAIN, "host": f"unix:{path}", "protocol": "lmtp"}])
    queue = submit(relay, f"ann@{DOMAIN}")
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    assert f"unix:{path}" in deferred["reply"] and "no such file" in deferred["reply"].lower()
