"""How urgent a message is (RFC 6710): what is asked for, what is allowed, and who goes first."""

import json

from relay_process import PASSWORD, USER
from submission import connect, message, send, submit
from waiting import wait_for


def test_the_more_urgent_goes_first(new_relay, internet):
    relay = new_relay(internet, delivery={"connections_first": 1, "connections_max": 1},
                      user=[{"name": USER, "password": PASSWORD, "priority_max": "high"}])
    assert relay.queue("suspend", "--domain", "one.test").returncode == 0
    with connect(relay) as smtp:
        for priority in (-4, 0, 4):  # the least urgent is the oldest
            for number in range(3):
                send(smtp, "ann@one.test", message(sequence=f"{priority}.{number}"),
                     mail_options=[f"MT-PRIORITY={priority}"])
    queues = json.loads(relay.ask("/queue")[1])["queues"]
    assert sorted(queue["band"] for queue in queues) == ["high", "low", "normal"]
    assert relay.queue("resume", "--domain", "one.test").returncode == 0
    wait_for("all of it", lambda: len(internet.records()) >= 9)
    order = [record["sequence"] for record in internet.records()]
    places = {priority: [order.index(f"{priority}.{number}") for number in range(3)] for priority in (4, 0, -4)}
    assert all(sorted(one) == one for one in places.values()), order
    assert sum(places[4]) < sum(places[0]) < sum(places[-4]), order
    relay.wait_queue_empty()


def test_a_priority_is_lowered_to_what_the_user_may_have(relay, internet):
    with connect(relay) as smtp:
        assert smtp.esmtp_features["mt-priority"] == "MIXER"
        code, text = smtp.mail("news@client.test", ["MT-PRIORITY=5"])
        assert (code, text[:8]) == (250, b"2.3.6 0 "), text
        smtp.rset()
        queue_id = send(smtp, "ann@one.test", mail_options=["MT-PRIORITY=5"])
    (accepted,) = relay.wait_journal(event="accepted", id=queue_id)
    assert accepted["asked_priority"] == 5 and "priority" not in accepted
    (received,) = internet.wait_received("ann@one.test")
    assert b" PRIORITY 5;" in b" ".join(received.trace.split())
    metrics = relay.metrics()
    assert metrics['postrider_extensions_used_total{extension="mt_priority_lowered"}'] == 1


def test_the_queue_shows_the_priority_and_keeps_it(relay, internet):
    relay.queue("suspend", "--all")
    queue_id = submit(relay, "ann@one.test", mail_options=["MT-PRIORITY=-7"])
    relay.kill()
    relay.start()
    assert json.loads(relay.ask(f"/messages/{queue_id}")[1])["priority"] == -7
    assert "  priority -7\n" in relay.queue("show", queue_id).stdout
    relay.queue("resume", "--all")
    (delivered,) = relay.wait_journal(event="delivered", id=queue_id)
    assert delivered["priority"] == -7
