"""What cannot be delivered comes back to its sender: once, readable for people and programs (RFC 3464)."""

import re

import pytest

from reports import parse_report
from submission import SENDER, message, submit

FINAL = "Final-Recipient"


def assert_nothing_reported(relay, internet):
    """The queue is empty, reports included, and none came."""
    relay.wait_queue_empty()
    assert not internet.received(SENDER)


def bounce_of(relay, internet, recipient, **options):
    """Submits a message that must come back; returns its report and the journal's record of the end."""
    queue = submit(relay, recipient, **options)
    (received,) = internet.wait_received(SENDER)
    (bounced,) = relay.wait_journal(event="bounced", id=queue)
    return parse_report(received), bounced


def bounce_of_many(relay, internet, recipients):
    queue = submit(relay, recipients)
    (received,) = internet.wait_received(SENDER)
    return parse_report(received), queue


def test_a_refused_recipient_is_reported(relay, internet):
    content = message(subject="About the report")
    report, bounced = bounce_of(relay, internet, "reject-550@one.test", content=content)
    mail = report.mail
    assert report.received.sender == ""
    assert report.received.trace.startswith(b"Received: ") or report.received.content.startswith(b"From: ")
    assert mail["Auto-Submitted"].startswith("auto-replied")
    assert SENDER in mail["To"]
    assert "relay.client.test" in mail["From"]
    assert mail["Date"] and mail["Message-ID"] and mail["Subject"] and mail["MIME-Version"] == "1.0"
    assert report.message["Reporting-MTA"] == "dns; relay.client.test"
    (fields,) = report.recipients
    assert fields[FINAL] == "rfc822; reject-550@one.test"
    assert fields["Action"] == "failed"
    assert fields["Status"].startswith("5.")
    assert fields["Remote-MTA"].startswith("dns; mx1.one.test")
    assert fields["Diagnostic-Code"].startswith("smtp; 550 ")
    assert "reject-550@one.test" in report.text
    assert report.returned.get_content_type() in ("text/rfc822-headers", "message/rfc822")
    assert "About the report" in report.returned.as_string()
    assert bounced["reply"].startswith("550 ")
    relay.wait_queue_empty()
    assert len(internet.received(SENDER)) == 1


def test_a_report_names_all_failed_recipients_of_a_transaction(relay, internet):
    report, _ = bounce_of_many(relay, internet, ["reject-550.a@one.test", "reject-553.b@one.test"])
    assert [f[FINAL] for f in report.recipients] == ["rfc822; reject-550.a@one.test", "rfc822; reject-553.b@one.test"]


def test_good_recipients_beside_a_bad_one_get_the_message(relay, internet):
    report, queue = bounce_of_many(relay, internet,
                                   ["ann@one.test", "reject-550@one.test", "defer-451@one.test", "bob@two.test"])
    internet.wait_received("ann@one.test")
    internet.wait_received("bob@two.test")
    assert [f[FINAL] for f in report.recipients] == ["rfc822; reject-550@one.test"]
    relay.wait_journal(event="deferred", id=queue, recipient="defer-451@one.test")
    assert relay.queued_messages() == 1
    assert len(internet.received("ann@one.test")) == 1


@pytest.mark.parametrize("phase", ["mail=554_5.7.1_not_from_you", "data=554_5.6.0_no", "dot=554_5.7.1_spam"])
def test_a_refusal_in_any_phase_is_reported(relay, internet, phase):
    internet.set("one.test " + phase)
    report, bounced = bounce_of(relay, internet, "ann@one.test")
    reply = phase.split("=")[1].replace("_", " ")
    assert report.recipients[0]["Diagnostic-Code"] == "smtp; " + reply
    assert report.recipients[0]["Status"] == reply.split()[1]
    assert bounced["reply"] == reply


def test_a_null_sender_gets_no_report(relay, internet):
    queue = submit(relay, "reject-550@one.test", sender="")
    relay.wait_journal(event="bounced", id=queue)
    relay.wait_queue_empty()
    assert not internet.received()


def test_a_report_that_bounces_makes_no_report(relay, internet):
    submit(relay, "reject-550@one.test", sender="reject-550.sender@client.test")
    relay.wait_journal(event="bounced", count=2)
    relay.wait_queue_empty()
    assert not internet.received()


def test_notify_never_is_honoured(relay, internet):
    queue = submit(relay, "reject-550@one.test", rcpt_options=["NOTIFY=NEVER"])
    relay.wait_journal(event="bounced", id=queue)
    assert_nothing_reported(relay, internet)


def test_notify_delay_alone_asks_for_no_failure_report(relay, internet):
    queue = submit(relay, "reject-550@one.test", rcpt_options=["NOTIFY=DELAY"])
    relay.wait_journal(event="bounced", id=queue)
    assert_nothing_reported(relay, internet)


def test_ret_and_envid_are_honoured(relay, internet):
    content = message(b"A line that comes back.\r\n")
    report, _ = bounce_of(relay, internet, "reject-550@one.test", content=content,
                          mail_options=["RET=FULL", "ENVID=QQ314159"], rcpt_options=["ORCPT=rfc822;Ann+40one.test"])
    assert report.message["Original-Envelope-Id"] == "QQ314159"
    assert report.recipients[0]["Original-Recipient"] == "rfc822; Ann@one.test"
    assert report.returned.get_content_type() == "message/rfc822"
    assert "A line that comes back." in report.returned.as_string()


def test_ret_hdrs_returns_the_header_alone(relay, internet):
    content = message(b"A line that stays away.\r\n", subject="The header")
    report, _ = bounce_of(relay, internet, "reject-550@one.test", content=content, mail_options=["RET=HDRS"])
    assert report.returned.get_content_type() == "text/rfc822-headers"
    assert "The header" in report.returned.as_string()
    assert "A line that stays away." not in report.mail.as_string()


def test_a_large_message_is_returned_as_its_header(new_relay, internet):
    relay = new_relay(internet, delivery={"report_full_max": "1KiB"})
    content = message(b"A line that stays away.\r\n" * 100, subject="The header")
    report, _ = bounce_of(relay, internet, "reject-550@one.test", content=content, mail_options=["RET=FULL"])
    assert report.returned.get_content_type() == "text/rfc822-headers"
    assert "The header" in report.returned.as_string()
    assert len(report.received.content) < len(content) + 1024


def test_what_a_host_says_cannot_forge_a_report(relay, internet):
    internet.set("one.test rcpt=550_5.1.1_no\x1b[2J\x07\rFinal-Recipient:_rfc822;_eve@two.test\r\r\xa0")
    report, bounced = bounce_of(relay, internet, "ann@one.test")
    (fields,) = report.recipients
    assert fields[FINAL] == "rfc822; ann@one.test"
    assert fields["Status"] == "5.1.1"
    assert "eve@two.test" in fields["Diagnostic-Code"]
    for text in fields["Diagnostic-Code"], report.text, bounced["reply"]:
        assert all(" " <= letter < "\x7f" or letter in "\r\n\t" for letter in text), text
    assert b"\x1b" not in report.received.content and b"\r\r" not in report.received.content


@pytest.mark.parametrize(("dns", "status"), [("nxdomain", "5.1.2"), ("nullmx", "5.1.10"), ("nodata", "5.4.4")])
def test_a_domain_without_mail_bounces(relay, internet, dns, status):
    internet.set("two.test dns=" + dns)
    report, bounced = bounce_of(relay, internet, "ann@two.test")
    assert report.recipients[0]["Status"] == status
    assert f" {status} " in bounced["reply"]
    relay.wait_queue_empty()


def test_an_unknown_domain_bounces(relay, internet):
    report, _ = bounce_of(relay, internet, "ann@nowhere.invalid")
    assert report.recipients[0]["Status"] == "5.1.2"
    assert "Remote-MTA" not in report.recipients[0]


@pytest.mark.parametrize("dns", ["servfail", "timeout", "refused", "damaged", "aliasloop"])
def test_a_failing_lookup_defers(new_relay, internet, dns):
    relay = new_relay(internet, dns={"query_timeout": "200ms", "tries": 1, "deadline": "2s", "failure_ttl": "1s"})
    internet.set("two.test dns=" + dns)
    queue = submit(relay, "ann@two.test")
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    assert deferred["reply"].startswith("451 4.4.3 ")
    internet.set("two.test dns=ok")
    internet.wait_received("ann@two.test")
    assert not relay.journal(event="bounced")


@pytest.mark.parametrize("dns", ["nomx", "truncate", "noedns", "alias"])
def test_unusual_answers_lead_to_the_host(relay, internet, dns):
    internet.set("two.test dns=" + dns)
    submit(relay, "ann@two.test")
    internet.wait_received("ann@two.test")


def test_of_two_hundred_hosts_some_are_tried(new_relay, new_internet):
    # None of them listens on the port that is used, that of the other internet.
    names = new_internet("many.test mx=" + ",".join(f"@{number}" for number in range(1, 201)), "client.test mx=@4")
    hosts = new_internet("other.test mx=@250")
    relay = new_relay(names, delivery={"port": hosts.mx_port}, retry={"first_interval": "1h", "interval_max": "1h"})
    queue = submit(relay, "ann@many.test")
    relay.wait_journal(event="deferred", id=queue)
    tried = set(re.findall(r"no connection host=(mx\d+\.many\.test)", relay.log()))
    assert 1 < len(tried) <= 16
    assert "mx1.many.test" in tried


def test_an_address_of_a_family_that_leads_nowhere_costs_nothing(new_relay, new_internet):
    internet = new_internet("six.test mx=::1,@2 listen=off", "two.test mx=@2", "client.test mx=@4")
    relay = new_relay(internet)
    submit(relay, "ann@six.test")
    (received,) = internet.wait_received("ann@six.test")
    assert received.mx == internet.address(2)
    (delivered,) = relay.wait_journal(event="delivered")
    assert delivered["attempts"] == 1


# The relay listens on loopback; a wildcard stands for every address of the machine. The port of the MX hosts is
# another than those of the listeners, as it is where the relay takes mail on 587 alone.
@pytest.mark.parametrize("listener", ["127.0.0.1:0", "0.0.0.0:0"])
def test_mail_for_a_domain_whose_best_host_is_the_relay_bounces(new_relay, new_internet, listener):
    internet = new_internet("loop.test mx=127.0.0.1", "equal.test mx=127.0.0.1,@2 mx-preference=equal",
                            "client.test mx=@4")
    relay = new_relay(internet, listener=[{"address": listener, "mode": "trusted"}])
    for domain in ("loop.test", "equal.test"):
        queue = submit(relay, f"ann@{domain}")
        (bounced,) = relay.wait_journal(event="bounced", id=queue)
        assert bounced["reply"].startswith("554 5.4.6 ")
    internet.wait_received(SENDER, count=2)
    assert not internet.received("ann@equal.test")


def test_better_hosts_than_the_relay_itself_are_used(new_relay, new_internet):
    internet = new_internet("first.test mx=@2 mail=close", "backup.test mx=@2,127.0.0.1,@3", "client.test mx=@4")
    relay = new_relay(internet)
    queue = submit(relay, "ann@backup.test")
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    assert deferred["ip"] == internet.address(2)
    internet.set("first.test mail=ok")
    (received,) = internet.wait_received("ann@backup.test")
    assert received.mx == internet.address(2)
