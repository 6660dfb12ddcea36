"""nodemailer, the mail client of most Node programs."""

import base64
import email
import email.policy
import json
import os
import pathlib
import subprocess

import pytest

from reports import parse_report
from relay_process import PASSWORD, USER
from submission import SENDER, message, queue_id

SCRIPT = pathlib.Path(__file__).with_name("nodemailer_send.js")
TEXT = "A line.\n.A dot in front.\n\nGrüße, 8 bits: żółć, 漢字.\n"
ATTACHMENTS = {"every byte.bin": bytes(range(256)) * 300, "Grüße.txt": TEXT.encode()}


def binary(content):
    return {"base64": base64.b64encode(content).decode()}


def options(relay, mode, mechanism="PLAIN", password=PASSWORD):
    return {"host": "localhost", "port": relay.ports[mode], "secure": mode == "submissions",
            "requireTLS": mode == "submission", "name": "app.client.test", "authMethod": mechanism,
            "auth": {"user": USER, "pass": password},
            "tls": {"ca": relay.certificate.chain.read_text()}}


def nodemailer(transport, *mails):
    """What became of each mail."""
    done = subprocess.run(["/usr/bin/node", SCRIPT], input=json.dumps({"transport": transport, "mails": mails}),
                          capture_output=True, text=True, timeout=120,
                          env={**os.environ, "NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def raw_mail(content, *recipients, **more):
    return {"raw": binary(content), "envelope": {"from": SENDER, "to": recipients, **more}}


def composed(recipient, **more):
    return {"from": f"Nöwś <{SENDER}>", "to": recipient, "subject": "Grüße", "text": TEXT, **more}


BOTH_WAYS = pytest.mark.parametrize("mode", ["submission", "submissions"])


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@BOTH_WAYS
def test_a_message_arrives_as_it_was_given(relay, internet, mode, mechanism):
    content = message(TEXT.replace("\n", "\r\n").encode() + b".\r\n..\r\n" + b"x" * 998 + b"\r\n")
    (sent,) = nodemailer(options(relay, mode, mechanism),
                         raw_mail(content, "ann@one.test", "bob@one.test", "eve@two.test", use8BitMime=True))
    assert sent["accepted"] == ["ann@one.test", "bob@one.test", "eve@two.test"] and not sent["rejected"]
    for recipient in sent["accepted"]:
        (received,) = internet.wait_received(recipient)
        assert received.behind_trace == content
        assert b"TLSv1.3" in received.trace and b"with ESMTPSA" in received.trace
        assert queue_id(sent["response"]).encode() in received.trace


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
@BOTH_WAYS
def test_attachments_arrive(relay, internet, mode, encoding):
    attached = [{"filename": name, "content": binary(content)} for name, content in ATTACHMENTS.items()]
    (sent,) = nodemailer(options(relay, mode),
                         composed("ann@one.test", attachments=attached, textEncoding=encoding))
    assert "accepted" in sent, sent
    (received,) = internet.wait_received("ann@one.test")
    mail = email.message_from_bytes(received.behind_trace, policy=email.policy.SMTP)
    assert mail["Subject"] == "Grüße" and mail["From"].addresses[0].display_name == "Nöwś"
    assert mail.get_body().get_content().replace("\r\n", "\n") == TEXT
    arrived = {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}
    assert arrived == ATTACHMENTS


@BOTH_WAYS
def test_a_pool_sends_many_messages_on_few_connections(relay, internet, mode):
    pool = {**options(relay, mode), "pool": True, "maxConnections": 3, "maxMessages": 10}
    count = 50
    for sent in nodemailer(pool, *(composed(f"r{number}@one.test") for number in range(count))):
        assert "accepted" in sent, sent
    internet.wait_received(count=count)
    assert internet.stats()["messages"] == count
    accepted = sum(value for name, value in relay.metrics().items()
                   if name.startswith("postrider_connections_accepted_total"))
    assert 5 <= accepted <= 7  # five full ones, and two that may have begun when the others took the last messages


def test_what_dsn_asks_for_is_in_the_report(relay, internet):
    wanted = {"id": "an envelope+id=1", "return": "headers", "notify": ["failure", "delay"],
              "recipient": "original@client.test"}
    (sent,) = nodemailer(options(relay, "submission"), composed("reject-550@one.test", dsn=wanted))
    assert sent["accepted"] == ["reject-550@one.test"]
    (received,) = internet.wait_received(SENDER)
    report = parse_report(received)
    assert report.message["Original-Envelope-Id"] == wanted["id"]
    assert report.recipients[0]["Original-Recipient"] == "rfc822; original@client.test"
    assert report.returned.get_content_type() == "text/rfc822-headers"


def test_nothing_is_reported_where_dsn_says_never(relay, internet):
    nodemailer(options(relay, "submission"), composed("reject-550@one.test", dsn={"notify": "never"}))
    relay.wait_journal(event="bounced")
    relay.wait_queue_empty()
    assert not internet.received(SENDER)


@BOTH_WAYS
def test_a_wrong_password_is_an_authentication_error(relay, internet, mode):
    (failed,) = nodemailer(options(relay, mode, password="wrong"), composed("ann@one.test"))
    assert (failed["code"], failed["responseCode"], failed["command"]) == ("EAUTH", 535, "AUTH PLAIN")
    assert not internet.received()


def test_no_login_is_an_envelope_error(relay):
    transport = options(relay, "submissions")
    del transport["auth"]
    (failed,) = nodemailer(transport, composed("ann@one.test"))
    assert (failed["code"], failed["responseCode"], failed["command"]) == ("EENVELOPE", 530, "MAIL FROM")


def test_a_recipient_beyond_the_limit_is_rejected_alone(new_relay, internet):
    relay = new_relay(internet, submission={"recipients_max": 2})
    (sent,) = nodemailer(options(relay, "submissions"),
                         raw_mail(message(), "ann@one.test", "bob@one.test", "eve@two.test"))
    assert sent["accepted"] == ["ann@one.test", "bob@one.test"] and sent["rejected"] == ["eve@two.test"]
    internet.wait_received("bob@one.test")


def test_a_refused_text_is_a_message_error(relay):
    (failed,) = nodemailer(options(relay, "submissions"), raw_mail(message(b"x" * 100000 + b"\r\n"), "ann@one.test"))
    assert failed["code"] == "EMESSAGE" and 500 <= failed["responseCode"] < 560, failed
