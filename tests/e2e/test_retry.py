"""What fails for the time being is tried again; in the end it is given up, and the sender told."""

import datetime

import pytest

from relay_process import IN_MEMORY
from reports import parse_report
from submission import message, submit
from waiting import wait_for


def test_a_deferred_recipient_is_tried_again(relay, internet):
    internet.set("one.test rcpt=451_4.7.1_try_later")
    content = message()
    queue = submit(relay, "ann@one.test", content)
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    assert deferred["reply"] == "451 4.7.1 try later"
    assert deferred["next"] > deferred["time"]
    internet.set("one.test rcpt=ok")
    (received,) = internet.wait_received("ann@one.test")
    assert received.behind_trace == content
    (delivered,) = relay.wait_journal(event="delivered", id=queue)
    assert delivered["attempts"] >= 2
    relay.wait_queue_empty()


def test_only_the_deferred_recipients_are_tried_again(relay, internet):
    submit(relay, ["ann@one.test", "defer-451.full@one.test"])
    internet.wait_received("ann@one.test")
    relay.wait_journal(event="deferred", recipient="defer-451.full@one.test", count=2)
    assert len(internet.received("ann@one.test")) == 1
    assert relay.queued_messages() == 1


@pytest.mark.parametrize("phase", ["greeting=421_4.3.2_not_now", "ehlo=421_4.3.2_not_now", "mail=451_4.3.2_not_now",
                                   "data=451_4.3.2_not_now", "dot=452_4.3.1_not_now", "greeting=close",
                                   "dot=close", "rcpt=garbage"])
def test_a_failure_in_any_phase_is_tried_again(relay, internet, phase):
    internet.set("one.test " + phase)
    queue = submit(relay, "ann@one.test")
    relay.wait_journal(event="deferred", id=queue)
    internet.set(f"one.test {phase.split('=')[0]}=ok")
    internet.wait_received("ann@one.test")
    relay.wait_queue_empty()


def test_waits_between_attempts_grow(new_relay, internet):
    relay = new_relay(internet, retry={"first_interval": "200ms", "interval_max": "1h", "growth": 4.0, "jitter": 0.0})
    internet.set("one.test rcpt=451_4.7.1_try_later")
    submit(relay, "ann@one.test")
    first, second, third, *_ = relay.wait_journal(event="deferred", count=3)
    assert [first["attempts"], second["attempts"], third["attempts"]] == [1, 2, 3]
    waits = [later["delay"] - earlier["delay"] for earlier, later in ((first, second), (second, third))]
    assert 0.19 < waits[0] and 0.79 < waits[1]


def test_a_host_may_say_when_to_come_again(new_relay, internet):
    relay = new_relay(internet, retry={"first_interval": "300ms", "interval_max": "1h"})
    internet.set("one.test rcpt=450_4.7.1_Greylisted,_try_again_in_5_minutes")
    queue = submit(relay, "ann@one.test")
    (deferred,) = relay.wait_journal(event="deferred", id=queue)
    tried, again = (datetime.datetime.fromisoformat(deferred[name].replace("Z", "+00:00")) for name in ("time", "next"))
    assert 299 <= (again - tried).total_seconds() <= 331


def test_greylisting_ends_in_delivery(new_relay, new_internet):
    internet = new_internet("one.test mx=@1 greylist=1s", "client.test mx=@4")
    relay = new_relay(internet)
    queue = submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")
    assert relay.journal(event="deferred", id=queue)
    relay.wait_queue_empty()


@pytest.mark.parametrize("fault", ["greeting=421_4.3.2_not_now", "greeting=close", "ehlo=close",
                                   "greeting=554_5.3.2_go_away"])
def test_the_next_mx_host_is_used_in_the_same_attempt(new_relay, new_internet, fault):
    # The rule of a host's own name is the nearest for what happens before a recipient is known.
    internet = new_internet("broken.test mx=@2 " + fault, "two.test mx=@2,@3", "client.test mx=@4")
    relay = new_relay(internet)
    queue = submit(relay, "ann@two.test")
    (received,) = internet.wait_received("ann@two.test")
    assert received.mx == internet.address(3)
    (delivered,) = relay.wait_journal(event="delivered", id=queue)
    assert delivered["host"] == "mx2.two.test"
    assert delivered["attempts"] == 1


@pytest.mark.parametrize("fault", ["mail=421_4.3.2_not_now", "mail=close", "mail=452_4.3.1_disk_full"])
def test_a_host_that_turns_a_message_away_leads_to_the_next_in_the_same_attempt(new_relay, new_internet, fault):
    internet = new_internet("broken.test mx=@2 " + fault, "two.test mx=@2,@3", "client.test mx=@4")
    relay = new_relay(internet)
    queue = submit(relay, ["ann@two.test", "bob@two.test"])
    (received,) = internet.wait_received("ann@two.test")
    assert received.mx == internet.address(3)
    assert {record["attempts"] for record in relay.wait_journal(event="delivered", id=queue, count=2)} == {1}
    assert not relay.journal(event="deferred")


def test_what_every_host_turns_away_is_one_attempt(relay, internet):
    internet.set("two.test rcpt=close")
    queue = submit(relay, "ann@two.test")
    first, *_ = relay.wait_journal(event="deferred", id=queue)
    assert first["attempts"] == 1
    internet.set("two.test rcpt=ok")
    relay.wait_queue_empty()


def test_a_refused_connection_leads_to_the_next_mx_host(new_relay, new_internet):
    # One internet names two hosts; only the second of them listens on the port that is used, that of the other.
    names = new_internet("two.test mx=@2,@3")
    hosts = new_internet("two.test mx=@3")
    relay = new_relay(names, delivery={"port": hosts.mx_port})
    queue = submit(relay, "ann@two.test")
    hosts.wait_received("ann@two.test")
    (delivered,) = relay.wait_journal(event="delivered", id=queue)
    assert delivered["host"] == "mx2.two.test"


def test_unreachable_hosts_put_mail_off_until_they_are_back(new_relay, new_internet):
    names = new_internet("one.test mx=@1")
    hosts = new_internet("two.test mx=@2")
    relay = new_relay(names, delivery={"port": hosts.mx_port, "probe_first": "500ms", "probe_max": "1s"})
    queue = submit(relay, "ann@one.test")
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    assert "refused" in deferred["reply"]
    assert (deferred["host"], deferred["ip"]) == ("mx1.one.test", names.address(1))
    back = new_internet("one.test mx=@1", mx_port=hosts.mx_port)
    back.wait_received("ann@one.test")


@pytest.mark.skipif(IN_MEMORY, reason="a queue in memory does not survive a restart")
def test_deferred_mail_survives_a_restart(relay, internet):
    internet.set("one.test rcpt=451_4.7.1_try_later")
    content = message()
    queue = submit(relay, "ann@one.test", content)
    relay.wait_journal(event="deferred", id=queue)
    relay.stop()
    internet.set("one.test rcpt=ok")
    relay.start()
    (received,) = internet.wait_received("ann@one.test")
    assert received.behind_trace == content
    (delivered,) = relay.wait_journal(event="delivered", id=queue)
    assert delivered["attempts"] >= 2
    relay.wait_queue_empty()


def test_a_delay_is_told_once_where_it_may_be(new_relay, internet):
    relay = new_relay(internet, retry={"delay_notice": "1s"})
    internet.set("one.test rcpt=451_4.7.1_try_later")
    submit(relay, "never@one.test", rcpt_options=["NOTIFY=NEVER"])
    submit(relay, "failure@one.test", rcpt_options=["NOTIFY=FAILURE"])
    queue = submit(relay, "ann@one.test", rcpt_options=["NOTIFY=DELAY"])
    (received,) = internet.wait_received("news@client.test")
    report = parse_report(received)
    (fields,) = report.recipients
    assert fields["Final-Recipient"] == "rfc822; ann@one.test"
    assert fields["Action"] == "delayed"
    assert fields["Status"] == "4.7.1"
    assert fields["Will-Retry-Until"]
    (told,) = [record for record in relay.journal(event="deferred", id=queue) if "report" in record]
    attempts = told["attempts"]
    wait_for("two more attempts",
             lambda: relay.journal(event="deferred", id=queue)[-1]["attempts"] >= attempts + 2)
    internet.set("one.test rcpt=ok")
    relay.wait_queue_empty()
    assert len(internet.received("news@client.test")) == 1


def test_a_delay_of_mail_for_a_dead_site_is_told(new_relay, new_internet):
    names = new_internet("one.test mx=@1", "client.test mx=@4")
    hosts = new_internet("two.test mx=@2", "client.test mx=@4")
    relay = new_relay(names, delivery={"port": hosts.mx_port}, retry={"delay_notice": "1s"})
    submit(relay, "ann@one.test")
    (received,) = hosts.wait_received("news@client.test")
    assert parse_report(received).recipients[0]["Action"] == "delayed"


def test_mail_that_is_too_old_is_given_up_and_reported(new_relay, internet):
    relay = new_relay(internet, retry={"lifetime": "2s"})
    internet.set("one.test rcpt=451_4.7.1_try_later")
    queue = submit(relay, ["ann@one.test", "bob@one.test"])
    (report,) = internet.wait_received("news@client.test")
    assert len(relay.wait_journal(event="expired", id=queue, count=2)) == 2
    fields = parse_report(report).recipients
    assert [f["Final-Recipient"] for f in fields] == ["rfc822; ann@one.test", "rfc822; bob@one.test"]
    assert {f["Action"] for f in fields} == {"failed"}
    assert {f["Diagnostic-Code"] for f in fields} == {"smtp; 451 4.7.1 try later"}
    wait_for("an empty queue", lambda: relay.queued_messages() == 0)
    assert len(internet.received("news@client.test")) == 1


def test_a_lost_final_reply_repeats_the_message_and_is_counted(relay, internet):
    internet.set("one.test dot=losereply")
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")
    wait_for("the count", lambda: relay.metrics()["postrider_final_reply_lost_total"] >= 1)
    internet.set("one.test dot=ok")
    internet.wait_received("ann@one.test", count=2)
    relay.wait_queue_empty()


def test_a_destination_that_hangs_delays_only_its_own_mail(relay, internet):
    internet.set("one.test greeting=hang")
    submit(relay, ["ann@one.test", "bob@two.test"])
    internet.wait_received("bob@two.test")
    assert not internet.received("ann@one.test")
    internet.set("one.test greeting=ok")


def test_hanging_hosts_time_out(new_relay, internet):
    relay = new_relay(internet, delivery={"greeting_timeout": "1s", "recipient_timeout": "1s",
                                          "end_of_data_timeout": "1s"})
    for phase in ("greeting", "rcpt", "dot"):
        internet.set(f"one.test {phase}=hang")
        queue = submit(relay, f"{phase}@one.test")
        (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
        assert "timed out" in deferred["reply"].lower() or "timeout" in deferred["reply"].lower()
        internet.set(f"one.test {phase}=ok")
        internet.wait_received(f"{phase}@one.test")
