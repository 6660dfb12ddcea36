"""What a destination may be given: providers, sites, rates; and from which of our addresses."""

import datetime
import json
import time

import pytest

from relay_process import tool
from submission import connect, send, submit
from waiting import wait_for


def times(records):
    return [datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00")) for record in records]


def test_sites_of_a_provider_share_its_connections(new_relay, new_internet):
    # More connections at a time would be refused with 421, and the mail deferred; one that has just been closed the host
    # may still count.
    internet = new_internet("one.big.test mx=@1 connections=2 delay=5ms", "two.big.test mx=@1", "client.test mx=@4")
    relay = new_relay(internet, provider=[{"name": "big", "mx": [".big.test"], "connections_max": 1}])
    with connect(relay, "trusted") as smtp:
        for number in range(12):
            send(smtp, [f"a{number}@one.big.test", f"a{number}@two.big.test"])
    relay.wait_journal(event="delivered", count=24)
    assert not relay.journal(event="deferred")
    assert {record["site"] for record in relay.journal(event="delivered")} == {"mx1.one.big.test", "mx1.two.big.test"}


def test_a_message_rate_holds_up_its_own_domain_alone(new_relay, internet):
    relay = new_relay(internet, site=[{"domain": "one.test", "message_rate": "5/s"}])
    with connect(relay, "trusted") as smtp:
        for number in range(6):
            send(smtp, [f"a{number}@one.test"])
        send(smtp, "bob@two.test")
    relay.wait_journal(event="delivered", count=7)
    slow = times(r for r in relay.journal(event="delivered") if r["recipient"].endswith("@one.test"))
    (other,) = times(r for r in relay.journal(event="delivered") if r["recipient"].endswith("@two.test"))
    assert (max(slow) - min(slow)).total_seconds() >= 0.95
    assert other < max(slow)


def test_what_waits_long_for_a_rate_is_kept_in_the_queue(new_relay, internet):
    relay = new_relay(internet, site=[{"domain": "one.test", "message_rate": "1/h"}])
    with connect(relay, "trusted") as smtp:
        for number in range(20):
            send(smtp, [f"a{number}@one.test"])
    relay.wait_journal(event="delivered")
    wait_for("the rest to be put off", lambda: relay.metrics()["postrider_deliveries_held_back_total"] >= 5)
    assert relay.metrics()["postrider_queue_leases"] <= 14
    spent = process_seconds(relay)
    began = time.monotonic()
    wait_for("a while", lambda: time.monotonic() - began > 1)
    assert process_seconds(relay) - spent < 0.2  # nobody asks whether it may go yet
    assert len(relay.journal(event="delivered")) == 1


def process_seconds(relay):
    fields = open(f"/proc/{relay.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.fixture
def sources(block):
    return [{"name": "a", "ipv4": block.address(201), "host_name": "a.client.test"},
            {"name": "b", "ipv4": block.address(202), "host_name": "b.client.test"}]


def test_a_message_keeps_its_source_over_its_retries(new_relay, internet, sources):
    relay = new_relay(internet, source=sources)
    internet.set("one.test rcpt=451_4.7.1_try_later")
    with connect(relay, "trusted") as smtp:
        queues = [send(smtp, f"a{number}@one.test") for number in range(12)]
    for queue in queues:
        relay.wait_journal(event="deferred", id=queue, count=2)
    internet.set("one.test rcpt=ok")
    used = set()
    for queue in queues:
        relay.wait_journal(event="delivered", id=queue)
        (source,) = {r["source"] for r in relay.journal(id=queue) if r["event"] != "accepted"}
        used.add(source)
    assert used == {source["ipv4"] for source in sources}
    by_name = {source["host_name"]: source["ipv4"] for source in sources}
    assert {received.helo for received in internet.received()} == set(by_name)


def test_a_tenant_sends_from_its_own_source(new_relay, internet, sources):
    sources[0]["tenants"] = ["shop"]
    relay = new_relay(internet, source=sources,
                      user=[{"name": "app", "password": "a secret with a space", "tenant": "shop"}])
    submit(relay, "ann@one.test", mode="submission")
    submit(relay, "bob@one.test", mode="trusted")
    (ann,) = internet.wait_received("ann@one.test")
    (bob,) = internet.wait_received("bob@one.test")
    assert (ann.helo, bob.helo) == ("a.client.test", "b.client.test")


def test_a_source_that_is_not_local_is_a_mistake(new_relay, internet):
    relay = new_relay(internet, start=False, source=[{"name": "a", "ipv4": "203.0.113.77"}])
    done = tool("check", "--config", relay.config_file)
    assert done.returncode == 3
    assert "source.ipv4: 203.0.113.77 is not an address of this machine" in done.stderr
    relay.spawn()
    assert relay.wait_end() == 3


def state(relay, address):
    (source,) = json.loads(tool("explain", address, "--admin", relay.admin, "--json").stdout)["sources"]
    return source["state"]


def test_a_reply_may_ask_to_be_left_alone(new_relay, internet):
    internet.set("one.test rcpt=550_5.7.1_your_network_is_blocked")
    relay = new_relay(internet, provider=[{"name": "uno", "mx": [".one.test"],
                                           "samples": ["rest at recipient: 550 5.7.1 your network is blocked"]}],
                      reply=[{"provider": "uno", "code": "550", "text": "network is blocked", "then": "rest",
                              "rest": "1h"}])
    queue = submit(relay, "ann@one.test")
    relay.wait_journal(event="deferred", id=queue)
    assert not relay.journal(event="bounced")
    assert state(relay, "ann@one.test")["closed_for_ms"] > 3_500_000
    assert relay.metrics()["postrider_site_rests_total"] == 1


def test_a_silent_close_after_so_many_messages_is_learned(new_relay, internet):
    internet.set("one.test dot=closeafter share=0.5")
    relay = new_relay(internet, delivery={"connections_first": 1, "connections_max": 1})
    with connect(relay, "trusted") as smtp:
        for number in range(12):
            send(smtp, f"a{number}@one.test")
    relay.wait_journal(event="delivered", count=12)
    assert not relay.journal(event="deferred")
    assert state(relay, "ann@one.test")["messages_per_connection_learned"] == 2


def test_a_rule_that_decides_nothing_is_a_mistake(new_relay, internet):
    relay = new_relay(internet, start=False, provider=[{"name": "uno", "mx": [".one.test"], "samples": []}],
                      reply=[{"provider": "uno", "code": "421", "text": "a slip", "then": "slow"}])
    done = tool("check", "--config", relay.config_file)
    assert done.returncode == 3
    assert "reply: no sample of its provider fits it" in done.stderr
