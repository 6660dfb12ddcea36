"""A client that says when its message may leave (RFC 4865): not before, and then."""

import datetime
import json
import time

from reports import parse_report
from submission import connect, submit
from waiting import wait_for


def seconds_between(earlier, later):
    parse = datetime.datetime.fromisoformat
    return (parse(later.replace("Z", "+00:00")) - parse(earlier.replace("Z", "+00:00"))).total_seconds()


def shown(relay, queue_id):
    code, body = relay.ask(f"/messages/{queue_id}")
    assert code == 200, body
    return json.loads(body)


def check_delivered_in_time(relay, internet, queue_id, recipient, release):
    internet.wait_received(recipient)
    (delivered,) = relay.wait_journal(event="delivered", id=queue_id)
    assert delivered["attempts"] == 1
    late = seconds_between(release, delivered["time"])
    assert late >= 0, f"{-late} s too early"
    relay.wait_queue_empty()


def test_a_message_leaves_when_its_interval_is_over(relay, internet):
    queue_id = submit(relay, "ann@one.test", mode="submission", mail_options=["HOLDFOR=3"])
    (accepted,) = relay.wait_journal(event="accepted", id=queue_id)
    assert 2.9 < seconds_between(accepted["time"], accepted["release"]) < 4
    found = shown(relay, queue_id)
    assert found["release"] == accepted["release"] == found["deliveries"][0]["next_attempt"]
    assert "  release  " + accepted["release"] in relay.queue("show", queue_id).stdout
    # What comes for the same destination meanwhile does not wait, and no operator sends it early.
    submit(relay, "bob@one.test", mode="submission")
    assert relay.queue("retry", "--all").returncode == 0
    internet.wait_received("bob@one.test")
    assert not internet.received("ann@one.test")
    check_delivered_in_time(relay, internet, queue_id, "ann@one.test", accepted["release"])
    assert relay.metrics()['postrider_extensions_used_total{extension="future_release"}'] == 1


def test_a_time_of_release_outlives_the_process(relay, internet):
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)
    text = until.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"
    queue_id = submit(relay, "ann@one.test", mode="submission", mail_options=[f"HOLDUNTIL={text}"])
    (accepted,) = relay.wait_journal(event="accepted", id=queue_id)
    assert accepted["release"] == text
    relay.kill()
    relay.start()
    assert shown(relay, queue_id)["release"] == text
    # The queue works, and is in no hurry with the first.
    submit(relay, "bob@one.test", mode="submission")
    internet.wait_received("bob@one.test")
    assert not internet.received("ann@one.test")
    check_delivered_in_time(relay, internet, queue_id, "ann@one.test", text)


def test_its_life_begins_when_it_may_leave(new_relay, internet):
    relay = new_relay(internet, retry={"first_interval": "300ms", "interval_max": "1s", "lifetime": "2s",
                                       "delay_notice": "1s"})
    internet.set("one.test rcpt=451_4.7.1_try_later")
    queue_id = submit(relay, "ann@one.test", mode="submission", mail_options=["HOLDFOR=3"],
                      sender="news@client.test")
    (accepted,) = relay.wait_journal(event="accepted", id=queue_id)
    first, *_ = relay.wait_journal(event="deferred", id=queue_id)
    assert seconds_between(accepted["release"], first["time"]) >= 0
    assert "report" not in first, "it was not late yet"
    (expired,) = relay.wait_journal(event="expired", id=queue_id)
    assert seconds_between(accepted["release"], expired["time"]) >= 2
    wait_for("the report", lambda: relay.journal(event="delivered", recipient="news@client.test", id=expired["report"]))
    for report in map(parse_report, internet.received("news@client.test")):
        assert report.message["Future-Release-Request"] == "for;3"
        assert "Arrival-Date" in report.message


def test_a_time_is_held_to_what_the_relay_offers(new_relay, internet):
    relay = new_relay(internet, submission={"future_release_max": "1h"})
    with connect(relay) as smtp:
        interval, latest = smtp.esmtp_features["futurerelease"].split()
        assert interval == "3600"
        ahead = datetime.datetime.fromisoformat(latest.replace("Z", "+00:00")).timestamp() - time.time()
        assert 3590 < ahead <= 3600
        code, text = smtp.mail("news@client.test", ["HOLDFOR=3601"])
        assert (code, text[:6]) == (501, b"5.5.4 "), text
        code, text = smtp.mail("news@client.test", [f"HOLDUNTIL={latest}"])
        assert code == 250, text
    with connect(relay, "trusted") as smtp:
        assert "futurerelease" not in smtp.esmtp_features
        assert smtp.mail("news@client.test", ["HOLDFOR=60"])[0] == 555
