"""Mail hosts that misbehave: each way in each phase, all at once, each at a domain and an address of its own (O1 to O4).

They hold up their own mail alone, and lose none of it: what may pass is tried again, what is final is reported once.
"""

import itertools
import time

import pytest

from reports import parse_report
from submission import SENDER, connect, send, submit
from waiting import wait_for

PHASES = ("greeting", "ehlo", "starttls", "mail", "rcpt", "data", "dot")
# A drip is the proper reply, five octets a second: most take longer than the phase may.
NO_VERDICT = ("close", "reset", "garbage", "hang", "drip", "endless", "longline", "421_4.3.2_not_now", "451_4.3.0_later")
FINAL = "554_5.7.1_no"
AT_ONCE = {"mail", "rcpt", "data", "dot"}  # where a 5xx is about the mail; before, it is about the host
# Behind these replies to STARTTLS the dialogue goes on without, at level may.
WITHOUT_TLS = {"451_4.3.0_later", FINAL}
TIMEOUTS = {f"{phase}_timeout": "2s" for phase in ("greeting", "hello", "start_tls", "mail", "recipient", "data", "text",
                                                   "end_of_data")}
CONTROL = 30  # messages


class Case:
    def __init__(self, number, phase, act):
        self.phase, self.act = phase, act
        self.domain = f"{phase}-{act.partition('_')[0]}.test"
        self.rule = f"{self.domain} mx=@{number} {phase}={act}"
        self.mended = f"{self.domain} {phase}=ok"
        self.recipient = f"ann@{self.domain}"
        self.bounces = act == FINAL and phase in AT_ONCE
        self.repeats = self.domain == "dot-drip.test"  # taken, and its reply comes too late (RFC 1047)


def all_cases():
    every = itertools.product(PHASES, (*NO_VERDICT, FINAL))
    return [Case(number, *one) for number, one in enumerate(every, start=10)]


def control_delays(relay, internet):
    """Seconds from the submission of each control message until its mail host had it."""
    delays = []
    with connect(relay, "trusted") as smtp:
        for number in range(CONTROL):
            began = time.monotonic()
            send(smtp, f"control{number}@control.test")
            internet.wait_received(f"control{number}@control.test")
            delays.append(time.monotonic() - began)
    return sorted(delays)


def records_of(relay, queue, event):
    return [record for record in relay.journal(event=event) if record["id"] in queue]


def test_hostile_hosts_hold_up_their_own_mail_alone_and_lose_none(new_relay, new_internet):
    cases = all_cases()
    internet = new_internet(*(case.rule for case in cases), "control.test mx=@2", "client.test mx=@3")
    relay = new_relay(internet, delivery=TIMEOUTS)
    queue = {}
    for case in cases:
        queue[submit(relay, case.recipient)] = case
    delays = control_delays(relay, internet)
    # A place taken by any of them would cost the two seconds of a phase.
    assert delays[-1] < 2, delays

    def ended_or_tried():
        seen = {record["id"] for record in relay.journal() if record["event"] != "accepted"}
        return set(queue) <= seen
    wait_for("an attempt at each of them", ended_or_tried)

    bounced = sorted(queue[record["id"]].domain for record in records_of(relay, queue, "bounced"))
    assert bounced == sorted(case.domain for case in cases if case.bounces)
    early = {queue[record["id"]].domain for record in records_of(relay, queue, "delivered")}
    may_be_early = {case.domain for case in cases if case.act == "drip"}  # in a pipelined group a reply has a little more
    assert early - may_be_early == {case.domain for case in cases if case.phase == "starttls" and case.act in WITHOUT_TLS}

    for case in cases:
        internet.set(case.mended)
    relay.wait_queue_empty()
    for case in cases:
        copies = len(internet.received(case.recipient))
        assert copies == (0 if case.bounces else 1) or case.repeats and copies > 1, case.domain
    reports = [parse_report(received) for received in internet.received(SENDER)]
    told = sorted(fields["Final-Recipient"] for report in reports for fields in report.recipients)
    assert told == sorted(f"rfc822; {case.recipient}" for case in cases if case.bounces)
    assert not relay.journal(event="expired")


@pytest.mark.parametrize("act", ["hang", "close", "reset", "garbage", "421_4.3.2_not_now", "554_5.5.1_no", "longline"])
def test_a_host_may_misbehave_at_quit(new_relay, internet, act):
    relay = new_relay(internet, delivery={"idle_timeout": "1s"})
    internet.set("one.test quit=" + act)
    submit(relay, "ann@one.test")
    relay.wait_queue_empty()
    wait_for("the end of the connection", lambda: relay.metrics()["postrider_connections_out_open"] == 0)
    assert len(internet.received("ann@one.test")) == 1
    assert not relay.journal(event="deferred")


@pytest.mark.parametrize("act", ["hang", "close", "reset", "garbage", "421_4.3.2_not_now", "554_5.5.1_no", "longline"])
def test_a_host_may_misbehave_at_rset(new_relay, internet, act):
    """RSET goes ahead of the next message, where the last was broken off."""
    relay = new_relay(internet, delivery=TIMEOUTS)
    internet.set("one.test data=554_5.6.0_no rset=" + act)
    submit(relay, "ann@one.test", sender="")
    relay.wait_journal(event="bounced")
    internet.set("one.test data=ok")
    submit(relay, "bob@one.test")
    (received,) = internet.wait_received("bob@one.test")
    assert received.recipients == ["bob@one.test"]
    relay.wait_queue_empty()
    assert len(internet.received()) == 1


def test_recipients_beyond_what_a_host_takes_at_once_come_later(new_relay, new_internet):
    """A host may take fewer recipients of a message than it is told of (RFC 5321 section 4.5.3.1.10)."""
    internet = new_internet("one.test mx=@1 recipients=3", "client.test mx=@4")
    relay = new_relay(internet)
    names = [f"a{number}@one.test" for number in range(8)]
    submit(relay, names)
    relay.wait_queue_empty()
    assert [received.recipients for received in internet.received()] == [names[:3], names[3:6], names[6:]]
    assert not relay.journal(event="bounced")
