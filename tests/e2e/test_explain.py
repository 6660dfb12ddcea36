"""`postrider explain`: what would become of mail for an address, without sending any."""

import json

from relay_process import tool
from submission import submit

PROVIDER = [{"name": "uno", "mx": [".one.test"], "connections_max": 3, "message_rate": "600/m"}]


def test_a_running_relay_tells(new_relay, internet):
    relay = new_relay(internet, provider=PROVIDER, site=[{"domain": "one.test", "connections_max": 7}])
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")
    before = internet.stats()["messages"]
    done = tool("explain", "bob@one.test", "--admin", relay.admin, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["site"] == "mx1.one.test for one.test"
    assert told["provider"] == "uno"
    assert told["hosts"][0]["name"] == "mx1.one.test"
    (source,) = told["sources"]
    limits = {limit["name"]: (limit["value"], limit["from"]) for limit in source["limits"]}
    assert limits["connections"] == ("7", "domain one.test")
    assert limits["messages per connection"] == ("500", "[delivery]")
    shared = {limit["name"]: (limit["value"], limit["from"]) for limit in source["provider_limits"]}
    assert shared == {"connections": ("3", "provider uno"), "message rate": ("600/m", "provider uno")}
    assert source["state"]["connections"] == 1
    assert internet.stats()["messages"] == before
    words = tool("explain", "bob@one.test", "--admin", relay.admin)
    assert "1 connections (1 idle)" in words.stdout


def test_without_a_relay_it_is_worked_out(new_relay, internet):
    relay = new_relay(internet, start=False, provider=PROVIDER, admin={"address": "127.0.0.1:9"},
                      route=[{"domain": "two.test", "host": "smtp.one.test", "tls": "none"}])
    done = tool("explain", "bob@one.test", "--config", relay.config_file)
    assert done.returncode == 0, done.stderr
    assert "provider   uno" in done.stdout
    assert "no relay was asked" in done.stdout
    done = tool("explain", "bob@gone.test", "--config", relay.config_file)
    assert "550 5.1.2 The domain does not exist" in done.stdout
    done = tool("explain", "bob@two.test", "--config", relay.config_file)
    assert "smart host smtp.one.test, port 587, TLS none" in done.stdout


def test_what_is_no_address_is_refused(relay):
    assert tool("explain", "nobody", "--admin", relay.admin).returncode == 2
    code, _ = relay.ask("/explain?address=nobody")
    assert code == 400
