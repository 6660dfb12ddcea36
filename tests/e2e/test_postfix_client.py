"""Postfix with us as its relayhost: it logs in, and what its sendmail takes arrives through us."""

import re

import pytest

import private_root
from mail_servers import Postfix
from relay_process import PASSWORD, USER
from submission import SENDER, message
from waiting import wait_for

pytestmark = pytest.mark.skipif(private_root.missing() is not None, reason=str(private_root.missing()))

BODY = b"A line.\r\n.\r\n.A dot in front.\r\n" + "8 bits: Grüße.\r\n".encode() + b"x" * 990 + b"\r\n\r\nThe end.\r\n"
# RFC 5321 section 4.5.3.1.6 counts CRLF in; Postfix breaks longer lines.
LIMIT = b"y" * 998 + b"\r\n"


@pytest.fixture
def postfix(directory, internet, certificate):
    """postfix(relay, mode, mechanism, password): one that relays to this listener, with the certificate checked."""
    started = []

    def start(relay, mode="submission", mechanism="plain", password=PASSWORD):
        relayhost = f"[relay.client.test]:{relay.ports[mode]}"
        # It takes no mail from the network here: `certificate` is there as the authority to trust.
        started.append(Postfix(
            directory("postfix"), internet.address(9), internet.mx_port, "app.test", certificate,
            relayhost=relayhost, smtp_host_lookup="native", smtp_tls_security_level="secure",
            smtp_tls_wrappermode="yes" if mode == "submissions" else "no", smtp_tls_CAfile="/etc/mx/cert.pem",
            smtp_sasl_auth_enable="yes", smtp_sasl_security_options="noanonymous",
            smtp_sasl_mechanism_filter=mechanism,
            smtp_sasl_password_maps=f"inline:{{ {{ {relayhost} = {USER}:{password} }} }}"))
        return started[-1]

    yield start
    for one in started:
        one.close()


def sendmail(postfix, recipients, content):
    done = postfix.root.run("sendmail", "-i", "-f", SENDER, "-B8BITMIME", *recipients,
                            stdin=content.replace(b"\r\n", b"\n"))
    assert done.returncode == 0, done.stderr


def assert_relayed(received, content):
    """`content` behind Postfix's trace field behind ours."""
    assert b" by relay.client.test with ESMTPSA " in b" ".join(received.trace.split()) and b"TLSv1.3" in received.trace
    field = re.match(rb"Received: by mx1\.app\.test \(Postfix, from userid 0\)\r\n(?:[ \t][^\n]*\r\n)*",
                     received.behind_trace)
    assert received.behind_trace[field.end():] == content


@pytest.mark.parametrize("mechanism", ["plain", "login"])
@pytest.mark.parametrize("mode", ["submission", "submissions"])
def test_postfix_relays_through_us(relay, internet, postfix, mode, mechanism):
    sending = postfix(relay, mode, mechanism)
    contents = {"ann@one.test": message(BODY), "bob@one.test": message(LIMIT),
                "eve@two.test": message((b"x" * 70 + b"\r\n") * 15000)}
    for recipient, content in contents.items():
        sendmail(sending, [recipient], content)
    for recipient, content in contents.items():
        (received,) = internet.wait_received(recipient)
        assert_relayed(received, content)
        assert received.sender == SENDER


def test_recipients_travel_together(relay, internet, postfix):
    content = message(BODY)
    recipients = ["ann@one.test", "bob@one.test", "eve@two.test"]
    sendmail(postfix(relay), recipients, content)
    for recipient in recipients:
        (received,) = internet.wait_received(recipient)
        assert_relayed(received, content)
    accepted = {record["id"] for record in relay.wait_journal(event="delivered", count=3)}
    assert len(accepted) == 1


def test_postfix_heeds_our_size_limit_and_reports_through_us(new_relay, internet, postfix):
    relay = new_relay(internet, submission={"message_size_max": "100KiB"})
    sendmail(postfix(relay), ["ann@one.test"], message((b"x" * 70 + b"\r\n") * 2000))
    (report,) = internet.wait_received(SENDER)
    assert report.sender == ""
    assert b"size limit 102400 of server" in report.content
    assert not internet.received("ann@one.test")


def test_postfix_keeps_mail_that_it_may_not_send(relay, internet, postfix):
    sending = postfix(relay, password="wrong")
    sendmail(sending, ["ann@one.test"], message(BODY))
    wait_for("Postfix to be refused", lambda: "status=deferred" in sending.log())
    assert re.search(r"SASL authentication failed; .* said: 535 ", sending.log())
    assert not internet.received()
