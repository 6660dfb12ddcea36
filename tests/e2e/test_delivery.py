"""From a client's 250 to the message at its MX host, byte for byte."""

import random

import pytest

from relay_process import PASSWORD, USER
from submission import connect, message, queue_id, send, submit, swaks

CLIENT_LOGIN = ("--auth-user", USER, "--auth-password", PASSWORD)


def assert_arrived(internet, recipient, content):
    """One message came for the recipient: `content` with one Received field in front of it."""
    (received,) = internet.wait_received(recipient)
    assert received.trace.startswith(b"Received: from ")
    assert received.behind_trace == content
    return received


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("mode", "tls"), [("submission", "--tls"), ("submissions", "--tls-on-connect")])
def test_swaks_delivers(relay, internet, mode, tls, mechanism):
    transcript = swaks(relay, tls, "--auth", mechanism, *CLIENT_LOGIN, "--to", "ann@one.test",
                       "--header", "Subject: From swaks", "--body", "One line.\n.A dot in front.", mode=mode)
    (received,) = internet.wait_received("ann@one.test")
    assert b"\r\nSubject: From swaks\r\n" in received.content
    assert b"\r\n\r\nOne line.\r\n.A dot in front.\r\n" in received.content
    assert queue_id(transcript).encode() in received.trace
    assert received.sender == "news@client.test"


@pytest.mark.parametrize("mode", ["submission", "submissions", "trusted"])
def test_smtplib_delivers(relay, internet, mode):
    content = message(b"Over " + mode.encode() + b".\r\n")
    queue = submit(relay, "ann@one.test", content, mode=mode)
    received = assert_arrived(internet, "ann@one.test", content)
    assert b"id " + queue.encode() in received.trace
    with_protocol = {"submission": b"with ESMTPSA", "submissions": b"with ESMTPSA", "trusted": b"with ESMTP"}[mode]
    assert with_protocol in received.trace
    assert received.helo == "relay.client.test"


def long_body():
    generator = random.Random(7)
    lines = (generator.randbytes(54).hex().encode() for _ in range(1 << 20))
    body = b""
    for line in lines:
        body += line + b"\r\n"
        if len(body) > 1 << 20:
            return body


BODIES = {
    "empty": b"",
    "an empty line": b"\r\n",
    "dots": b".\r\n..\r\n.a\r\n...b\r\na.\r\n\r\n.\r\n",
    "long lines": b"x" * 998 + b"\r\n" + b"y" * 5000 + b"\r\n." + b"z" * 40000 + b"\r\n",
    "8 bits": bytes(range(128, 256)) + b"\r\n" + "Grüße\r\n".encode(),
    "controls": b"\x01\x02\x07\x0b\x0c\x1b\x7f\t\r\n",
    "blank at line ends": b"a  \r\nb\t\r\n \r\n",
    "1 MiB": long_body(),
}


def test_bodies_arrive_as_they_were_submitted(relay, internet):
    for number, (name, body) in enumerate(BODIES.items()):
        content = message(body, subject=name)
        submit(relay, f"r{number}@one.test", content)
        assert_arrived(internet, f"r{number}@one.test", content)


def test_a_message_without_a_header_arrives(relay, internet):
    submit(relay, "ann@one.test", b"\r\n")
    assert_arrived(internet, "ann@one.test", b"\r\n")


def test_existing_trace_fields_stay_behind_the_new_one(relay, internet):
    content = b"Received: from a by b;\r\n Mon, 06 Jan 2025 10:00:00 +0000\r\n" + message()
    submit(relay, "ann@one.test", content)
    (received,) = internet.wait_received("ann@one.test")
    assert received.content.endswith(content)
    front = received.content[: -len(content)]
    assert front.startswith(b"Received: from app.client.test") and front.count(b"Received:") == 1


def test_mail_to_mx_hosts_is_encrypted(relay, internet):
    queue = submit(relay, "ann@one.test")
    (received,) = internet.wait_received("ann@one.test")
    assert received.tls == "TLSv1.3"
    (delivered,) = relay.wait_journal(event="delivered", id=queue)
    assert delivered["tls"].startswith("TLSv1.3 TLS_")
    assert delivered["host"] == "mx1.one.test"
    assert delivered["ip"] == internet.address(1)
    assert delivered["attempts"] == 1


def test_each_recipient_domain_gets_the_message(relay, internet):
    content = message()
    recipients = ["ann@one.test", "bob@two.test", "eve@client.test"]
    queue = submit(relay, recipients, content)
    for recipient in recipients:
        received = assert_arrived(internet, recipient, content)
        assert received.recipients == [recipient]
    assert len(relay.wait_journal(event="delivered", id=queue, count=3)) == 3
    relay.wait_queue_empty()


def test_recipients_of_a_domain_travel_together(relay, internet):
    recipients = [f"r{number}@one.test" for number in range(50)]
    submit(relay, recipients)
    (received,) = internet.wait_received()
    assert sorted(received.recipients) == sorted(recipients)


def test_more_recipients_than_a_transaction_takes_are_split(new_relay, internet):
    relay = new_relay(internet, queue={"recipients_per_delivery": 20})
    recipients = [f"r{number}@one.test" for number in range(50)]
    submit(relay, recipients)
    received = internet.wait_received(count=3)
    assert sorted(r for m in received for r in m.recipients) == sorted(recipients)
    assert max(len(m.recipients) for m in received) <= 20


def test_domains_that_differ_in_case_are_one(relay, internet):
    submit(relay, ["ann@one.test", "bob@ONE.Test"])
    (received,) = internet.wait_received()
    assert len(received.recipients) == 2


def test_many_messages_share_few_connections(relay, internet):
    with connect(relay, "trusted") as smtp:
        for number in range(200):
            send(smtp, f"r{number}@one.test")
    internet.wait_received(count=200)
    stats = internet.stats()
    assert stats["messages"] == 200 and stats["duplicates"] == 0
    assert stats["connections"] <= 20
    assert relay.metrics()["postrider_connections_reused_total"] >= 180


def test_every_worker_carries_for_a_busy_destination(new_relay, internet):
    internet.set("one.test delay=20ms")
    relay = new_relay(internet, server={"workers": 2}, delivery={"connections_first": 12, "connections_max": 12})
    with connect(relay, "trusted") as smtp:
        for number in range(100):
            send(smtp, f"r{number}@one.test")
    internet.wait_received(count=100)
    assert internet.stats()["duplicates"] == 0
    assert 0 < relay.metrics()["postrider_lane_deliveries_total"] < 100


def test_a_second_connection_resumes_the_tls_session(new_relay, internet):
    relay = new_relay(internet, delivery={"messages_per_connection_max": 1, "connections_max": 1,
                                          "connections_first": 1})
    for number in range(4):
        submit(relay, f"r{number}@one.test")
        internet.wait_received(f"r{number}@one.test")
    assert [r["resumed"] for r in internet.records()] == [False, True, True, True]


def test_a_lone_message_does_not_wait_for_others(relay, internet):
    queue = submit(relay, "ann@one.test")
    (delivered,) = relay.wait_journal(event="delivered", id=queue)
    assert delivered["delay"] < 5
