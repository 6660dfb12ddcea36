"""Who and what is turned away, and in which words."""

import smtplib
import socket

import pytest

from relay_process import PASSWORD, USER
from submission import SENDER, Refused, connect, message, send, submit, swaks
from waiting import wait_for


def plain(relay, mode="submission"):
    """An smtplib session without TLS or login."""
    smtp = smtplib.SMTP("127.0.0.1", relay.ports[mode], timeout=60)
    smtp.ehlo("app.client.test")
    return smtp


def greeting(address, source="127.0.0.1"):
    """The first line a server says, and the connection it was said on."""
    link = socket.create_connection(address, timeout=30, source_address=(source, 0))
    return link.makefile("rb").readline().decode().strip(), link


@pytest.fixture
def counted(relay):
    """counted(reason): how many replies were refused for it."""
    return lambda reason: relay.metrics().get(f'postrider_replies_refused_total{{reason="{reason}"}}', 0)


def test_login_is_neither_offered_nor_taken_before_tls(relay):
    with plain(relay) as smtp:
        assert not smtp.has_extn("auth")
        code, _ = smtp.docmd("AUTH", "PLAIN AGFwcABhIHNlY3JldCB3aXRoIGEgc3BhY2U=")
        assert code in (530, 538)
    assert relay.metrics().get('postrider_authentications_total{result="accepted"}', 0) == 0


def test_mail_before_tls_is_refused(relay, counted):
    with plain(relay) as smtp:
        assert smtp.mail(SENDER)[0] == 530
    assert counted("tls_required") == 1


@pytest.mark.parametrize("mode", ["submission", "submissions"])
def test_mail_without_login_is_refused(relay, internet, counted, mode):
    with connect(relay, mode, login=False) as smtp:
        assert smtp.mail(SENDER) == (530, b"5.7.0 Authentication required")
        assert smtp.rcpt("ann@one.test")[0] in (503, 530)
    assert counted("auth_required") >= 1
    assert internet.stats()["messages"] == 0


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD), (USER, ""), ("", PASSWORD)])
def test_a_wrong_login_is_refused(relay, mechanism, user, password):
    with connect(relay, login=False) as smtp:
        smtp.user, smtp.password = user, password
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            smtp.auth(mechanism, getattr(smtp, "auth_" + mechanism.lower()))
        assert refused.value.smtp_code in (535, 501)
        assert smtp.mail(SENDER)[0] == 530


def test_swaks_with_a_wrong_password_sends_nothing(relay, internet):
    transcript = swaks(relay, "--tls", "--auth", "PLAIN", "--auth-user", USER, "--auth-password", "wrong",
                       "--to", "ann@one.test", ok=False)
    assert "535 5.7.8" in transcript
    assert internet.stats()["messages"] == 0


def test_guessing_ends_the_connection(relay):
    with connect(relay, login=False) as smtp:
        codes = []
        with pytest.raises(smtplib.SMTPServerDisconnected):
            for _ in range(10):
                codes.append(smtp.docmd("AUTH", "PLAIN AGFwcAB3cm9uZw==")[0])
        assert codes[:2] == [535, 535] and len(codes) <= 4


def test_a_client_outside_the_trusted_networks_is_refused(new_relay, internet):
    relay = new_relay(internet, submission={"trusted_networks": ["127.0.0.1/32"]})
    line, link = greeting(("127.0.0.1", relay.ports["trusted"]), source=internet.address(200))
    with link:
        assert line.startswith("554 5.7.1 ") or line.startswith("554 ")
    line, link = greeting(("127.0.0.1", relay.ports["trusted"]))
    with link:
        assert line.startswith("220 relay.client.test ")


def test_no_network_is_trusted_unless_it_is_named(new_relay, internet):
    relay = new_relay(internet, start=False)
    del relay.sections["submission"]["trusted_networks"]
    relay.write_config()
    relay.spawn()
    wait_for("a decision", lambda: " server: ready" in relay.log() or not relay.running())
    if relay.running():
        port = int(relay.log().split("mode=trusted")[0].rsplit(":", 1)[1])
        line, link = greeting(("127.0.0.1", port))
        with link:
            assert line.startswith("554 ")
    else:
        assert relay.process.returncode == 3 and "trusted_networks" in relay.log()


@pytest.mark.parametrize("name", [b"From\r\n ", b"From\x0b", b"From"])
def test_a_second_author_is_hidden_from_nobody(relay, internet, counted, name):
    forged = name + b": ceo@victim.test\r\n" + message()
    with connect(relay) as smtp:
        with pytest.raises(Refused) as refused:
            send(smtp, "ann@one.test", forged)
        assert (refused.value.stage, refused.value.code) == ("dot", 554)
        send(smtp, "bob@one.test")
    assert counted("header_syntax") == 1
    submit(relay, "cid@one.test", forged)  # what a trusted host passes on is not judged
    internet.wait_received("bob@one.test")
    internet.wait_received("cid@one.test")
    assert internet.stats()["messages"] == 2


@pytest.mark.parametrize("mode", ["submission", "trusted"])
def test_the_trace_field_is_the_relays_alone(relay, internet, mode):
    with pytest.raises(Refused) as refused:
        submit(relay, "ann@one.test", b" by evil.test; x\r\n" + message(), mode)
    assert (refused.value.stage, refused.value.code) == ("dot", 554)
    assert internet.stats()["messages"] == 0


def test_a_message_that_says_it_is_too_big_is_refused_at_mail(new_relay, internet):
    relay = new_relay(internet, submission={"message_size_max": "100KiB"})
    with connect(relay, "trusted") as smtp:
        assert smtp.esmtp_features["size"] == str(100 * 1024)
        with pytest.raises(Refused) as refused:
            send(smtp, "ann@one.test", mail_options=["SIZE=200000"])
        assert (refused.value.stage, refused.value.code) == ("mail", 552)


def test_a_message_that_is_too_big_is_refused_after_its_end(new_relay, internet):
    relay = new_relay(internet, submission={"message_size_max": "100KiB"})
    with connect(relay, "trusted") as smtp:
        with pytest.raises(Refused) as refused:
            send(smtp, "ann@one.test", message(b"x" * 900 + b"\r\n" * 60000))
        assert (refused.value.stage, refused.value.code) == ("dot", 552)
        send(smtp, "bob@one.test")
    internet.wait_received("bob@one.test")
    assert internet.stats()["messages"] == 1


def test_recipients_beyond_the_limit_are_put_off(new_relay, internet):
    relay = new_relay(internet, submission={"recipients_max": 100})
    with connect(relay, "trusted") as smtp:
        smtp.mail(SENDER)
        codes = [smtp.rcpt(f"r{number}@one.test")[0] for number in range(103)]
        assert codes == [250] * 100 + [452] * 3
        assert smtp.data(message())[0] == 250
    internet.wait_received()
    assert internet.stats()["recipients"] == 100


def test_connections_beyond_the_limit_of_a_client_are_refused(new_relay, internet):
    relay = new_relay(internet, submission={"connections_per_client_max": 2})
    address = ("127.0.0.1", relay.ports["trusted"])
    held = [connect(relay, "trusted") for _ in range(2)]
    line, link = greeting(address)
    with link:
        assert line.startswith("421 ")
    line, link = greeting(address, source=internet.address(201))  # another client
    with link:
        assert line.startswith("220 ")
    held.pop().quit()

    def admitted():
        line, link = greeting(address)
        with link:
            return line.startswith("220 ")
    wait_for("room for a connection", admitted)
    held.pop().quit()


def test_private_addresses_bounce_where_they_are_not_allowed(new_relay, internet):
    relay = new_relay(internet, delivery={"allow_special_addresses": False})
    queue = submit(relay, "ann@one.test", sender="reject-550@one.test")
    (bounced, *_) = relay.wait_journal(event="bounced", id=queue)
    assert bounced["reply"].startswith("550 5.4.4 ")
    relay.wait_queue_empty()
    assert internet.stats()["connections"] == 0


@pytest.mark.parametrize("literal", ["[127.0.0.1]", "[10.1.2.3]", "[0.0.0.0]", "[169.254.1.1]", "[IPv6:::1]",
                                     "[IPv6:fe80::1]", "[IPv6:::ffff:127.0.0.1]"])
def test_address_literals_of_private_places_bounce_where_they_are_not_allowed(new_relay, internet, literal):
    relay = new_relay(internet, delivery={"allow_special_addresses": False})
    queue = submit(relay, f"ann@{literal}", sender="")
    (bounced,) = relay.wait_journal(event="bounced", id=queue)
    assert bounced["reply"].startswith(("550 5.4.4 ", "554 5.4.6 "))  # 5.4.6: the relay itself
    assert "ip" not in bounced


@pytest.mark.parametrize("recipient", ["ann", "ann@", "@one.test", "ann@one..test", "a b@one.test", "ann@-.test",
                                       "<ann@one.test", "ann@one.test>x", "ann@[127.0.0.1", "ann@one.test\x00"])
def test_a_malformed_recipient_is_refused(relay, recipient):
    with connect(relay, "trusted") as smtp:
        smtp.mail(SENDER)
        code, _ = smtp.docmd(f"RCPT TO:<{recipient}>")
        assert 500 <= code <= 559


def test_a_bare_line_feed_ends_no_message(relay, internet):
    with connect(relay, "trusted") as smtp:
        smtp.mail(SENDER)
        smtp.rcpt("ann@one.test")
        assert smtp.docmd("DATA")[0] == 354
        smtp.send(b"Subject: x\r\n\r\nsmuggled\n.\nMAIL FROM:<evil@client.test>\r\n.\r\n")
        code, _ = smtp.getreply()
        assert 500 <= code <= 559
    assert internet.stats()["messages"] == 0


def test_commands_sent_along_with_starttls_are_not_acted_on(relay):
    with plain(relay) as smtp:
        smtp.send(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<evil@client.test>\r\n")
        code, _ = smtp.getreply()
        assert code != 220 or not smtp.sock.recv(1)


def test_a_mail_loop_is_refused(new_relay, internet):
    relay = new_relay(internet, submission={"received_max": 10})
    trace = b"Received: from a by b; Mon, 06 Jan 2025 10:00:00 +0000\r\n"
    with pytest.raises(Refused) as refused:
        submit(relay, "ann@one.test", trace * 11 + message())
    assert refused.value.code == 554
    submit(relay, "ann@one.test", trace * 9 + message())
    internet.wait_received("ann@one.test")


def test_reports_of_refused_mail_do_not_leave_the_relay(relay, internet):
    """What was refused in the session is the client's to report: nothing is queued."""
    with connect(relay, "trusted") as smtp:
        smtp.mail(SENDER)
        assert smtp.rcpt("no domain")[0] >= 500
    assert relay.queued_messages() == 0
    assert not internet.received(SENDER)


def test_an_idle_client_is_disconnected(new_relay, internet):
    relay = new_relay(internet, submission={"idle_timeout": "1s"})
    with connect(relay, "trusted") as smtp:
        code, _ = smtp.getreply()
        assert code == 421


def test_a_verdict_of_our_own_names_no_remote_host(new_relay, internet):
    relay = new_relay(internet, delivery={"allow_special_addresses": False})
    submit(relay, "ann@one.test")
    # The report's own destination is as private, so that it stays here and ends in the journal.
    (first, second) = relay.wait_journal(event="bounced", count=2)
    assert first["recipient"] == "ann@one.test" and second["recipient"] == SENDER
    assert second["sender"] == ""
    assert "host" not in first
