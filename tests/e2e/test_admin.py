"""What operators see and do: health, metrics, the queue command, check."""

import json

import pytest

from relay_process import IN_MEMORY, is_root, tool
from submission import SENDER, Refused, connect, send, submit

NOBODY_THERE = "127.0.0.1:1"  # tcpmux: nothing listens there


@pytest.fixture
def waiting(new_relay, internet):
    """A relay with one deferred message of two domains; returns it and the queue id."""
    relay = new_relay(internet, retry={"first_interval": "1h", "interval_max": "1h"})
    internet.set("one.test rcpt=451_4.7.1_try_later")
    internet.set("two.test rcpt=452_4.2.2_full")
    queue = submit(relay, ["ann@one.test", "bob@two.test"])
    relay.wait_journal(event="deferred", id=queue, count=2)
    return relay, queue


def test_healthz_says_ok(relay):
    code, body = relay.ask("/healthz")
    assert code == 200
    assert json.loads(body)["status"] == "ok"


def test_metrics_follow_the_mail(relay, internet):
    before = relay.metrics()
    assert before["postrider_messages_accepted_total"] == 0
    submit(relay, ["ann@one.test", "reject-550@one.test"], mode="submission")
    internet.wait_received("ann@one.test")
    internet.wait_received(SENDER)
    relay.wait_queue_empty()
    after = relay.metrics()
    assert after["postrider_messages_accepted_total"] == 1
    assert after["postrider_recipients_accepted_total"] == 2
    assert after['postrider_authentications_total{result="accepted"}'] == 1
    assert after['postrider_tls_handshakes_in_total{result="ok"}'] == 1
    assert after["postrider_recipients_delivered_total"] == 2  # one of them the report
    assert after['postrider_recipients_bounced_total{stage="recipient"}'] == 1
    assert after['postrider_reports_sent_total{action="failed"}'] == 1
    assert after["postrider_queue_messages"] == 0
    assert after["postrider_queue_syncs_total"] > before["postrider_queue_syncs_total"]
    assert after["postrider_accepted_bytes_total"] > 100
    assert after["postrider_delivered_bytes_total"] > 100


def test_every_metric_has_help_and_type(relay):
    _, text = relay.ask("/metrics")
    helped = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")}
    typed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert helped == typed
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name = line.split("{")[0].split(" ")[0]
            assert any(name == known or name.startswith(known + "_") for known in typed), line


def test_unknown_paths_and_methods_are_refused(relay):
    assert relay.ask("/nothing")[0] == 404
    assert relay.ask("/metrics", method="DELETE")[0] == 405
    assert relay.ask("/messages", method="DELETE")[0] == 400  # says not which


def test_a_token_is_asked_for(new_relay, internet):
    relay = new_relay(internet, admin={"token": "a-long-enough-token-for-the-tests"})
    assert relay.ask("/metrics")[0] == 401
    assert relay.ask("/healthz")[0] == 401


def test_list_shows_queues_and_messages(waiting):
    relay, queue = waiting
    listed = relay.queue("list")
    assert listed.returncode == 0, listed.stderr
    assert "one.test" in listed.stdout and "two.test" in listed.stdout
    listed = relay.queue("list", "--messages")
    assert listed.returncode == 0
    assert queue in listed.stdout and SENDER in listed.stdout


def test_list_as_json(waiting):
    relay, queue = waiting
    answer = json.loads(relay.queue("list", "--json").stdout)
    assert answer["totals"]["messages"] == 1
    assert {q["domain"]: q["deliveries"] for q in answer["queues"]} == {"one.test": 1, "two.test": 1}
    answer = json.loads(relay.queue("list", "--messages", "--domain", "one.test", "--json").stdout)
    assert [m["id"] for m in answer["messages"]] == [queue]
    answer = json.loads(relay.queue("list", "--messages", "--domain", "other.test", "--json").stdout)
    assert answer["messages"] == []


def test_show_says_why_a_message_waits(waiting):
    relay, queue = waiting
    shown = relay.queue("show", queue)
    assert shown.returncode == 0
    for part in (queue, SENDER, "ann@one.test", "bob@two.test", "451 4.7.1 try later", "452 4.2.2 full"):
        assert part in shown.stdout
    answer = json.loads(relay.queue("show", queue, "--json").stdout)
    assert answer["id"] == queue
    assert {d["last_status"] for d in answer["deliveries"]} == {"451 4.7.1 try later", "452 4.2.2 full"}
    assert {d["attempts"] for d in answer["deliveries"]} == {1}


def test_show_of_an_unknown_message_fails(waiting):
    relay, queue = waiting
    other = queue[:-1] + ("0" if queue[-1] != "0" else "1")
    shown = relay.queue("show", other)
    assert shown.returncode == 1
    assert other in shown.stderr


def test_remove_ends_a_message_without_a_report(waiting, internet):
    relay, queue = waiting
    removed = relay.queue("remove", queue)
    assert removed.returncode == 0, removed.stderr
    relay.wait_queue_empty()
    assert relay.queue("show", queue).returncode == 1
    assert internet.stats()["messages"] == 0


def test_the_journal_says_what_was_removed(waiting):
    relay, queue = waiting
    assert relay.queue("remove", queue).returncode == 0
    relay.wait_journal(event="delivered", id=submit(relay, "eve@client.test"))  # whatever came before is written too
    assert sorted(r["recipient"] for r in relay.journal(event="removed", id=queue)) == ["ann@one.test", "bob@two.test"]


def test_remove_by_selection(waiting):
    relay, queue = waiting
    assert relay.queue("remove").returncode == 2  # says not which
    removed = relay.queue("remove", "--domain", "other.test", "--yes")
    assert removed.returncode == 0 and relay.queued_messages() == 1
    removed = relay.queue("remove", "--domain", "one.test", "--yes")
    assert removed.returncode == 0, removed.stderr
    shown = json.loads(relay.queue("show", queue, "--json").stdout)
    assert [d["domain"] for d in shown["deliveries"]] == ["two.test"]
    assert relay.queue("remove", "--all", "--yes").returncode == 0
    relay.wait_queue_empty()


def test_retry_tries_at_once(waiting, internet):
    relay, queue = waiting
    internet.set("one.test rcpt=ok")
    retried = relay.queue("retry", queue)
    assert retried.returncode == 0, retried.stderr
    internet.wait_received("ann@one.test")
    relay.wait_journal(event="deferred", recipient="bob@two.test", count=2)
    internet.set("two.test rcpt=ok")
    assert relay.queue("retry", "--domain", "two.test", "--json").returncode == 0
    internet.wait_received("bob@two.test")
    relay.wait_queue_empty()


def test_retry_without_a_selection_is_wrong_usage(waiting):
    relay, _ = waiting
    assert relay.queue("retry").returncode == 2


def test_the_relay_is_found_through_its_configuration(new_relay, internet, block):
    address = block.address(250) + ":8025"
    relay = new_relay(internet, admin={"address": address})
    listed = tool("queue", "list", "--config", relay.config_file)
    assert listed.returncode == 0, listed.stderr


def test_a_relay_that_cannot_be_reached_is_exit_code_4():
    listed = tool("queue", "list", "--admin", NOBODY_THERE)
    assert listed.returncode == 4
    assert NOBODY_THERE in listed.stderr


def test_check_accepts_a_good_configuration(new_relay, internet):
    relay = new_relay(internet, start=False)
    checked = tool("check", "--config", relay.config_file)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_typo_is_named_and_nothing_is_started(new_relay, internet, command):
    relay = new_relay(internet, start=False)
    lines = relay.config_file.read_text().replace("first_interval", "first_intervall").splitlines()
    relay.config_file.write_text("\n".join(lines) + "\n")
    number = next(n for n, line in enumerate(lines, 1) if "first_intervall" in line)
    done = tool(command, "--config", relay.config_file)
    assert done.returncode == 3
    said = done.stdout + done.stderr
    assert f"postrider.toml:{number}" in said
    assert "first_intervall" in said and "first_interval" in said.replace("first_intervall", "")
    assert "listening" not in said
    assert not list(relay.data.iterdir())


@pytest.mark.parametrize(("section", "key", "value", "named"), [
    ("retry", "lifetime", "5 fortnights", "retry.lifetime"),
    ("delivery", "tls", "always", "encrypt"),
    ("delivery", "port", 70000, "delivery.port"),
    pytest.param("server", "user", "no-such-user", "no-such-user",
                 marks=pytest.mark.skipif(not is_root(), reason="only root becomes another user")),
    ("tls", "certificate", "/nonexistent/cert.pem", "/nonexistent/cert.pem"),
    ("submission", "trusted_networks", ["10.0.0.0/33"], "10.0.0.0/33"),
    ("user", None, [{"name": "x", "password_hash": "plain"}], "password_hash"),
])
def test_a_bad_value_is_named(new_relay, internet, section, key, value, named):
    changes = {section: value if key is None else {key: value}}
    relay = new_relay(internet, start=False, **changes)
    checked = tool("check", "--config", relay.config_file)
    assert checked.returncode == 3
    assert named in checked.stderr + checked.stdout


def test_the_sample_configuration_is_well_formed(scratch):
    sample = scratch / "sample.toml"
    sample.write_text(tool("options").stdout)
    checked = tool("check", "--config", sample)
    # Its files and user are not on this machine; its keys and values are all known.
    assert "unknown" not in checked.stderr
    assert checked.returncode in (0, 3)


def test_help_and_version_are_everywhere():
    for command in ([], ["serve"], ["check"], ["queue"], ["queue", "list"], ["queue", "show"], ["queue", "remove"],
                    ["queue", "retry"], ["user"], ["user", "hash"], ["options"], ["version"]):
        asked = tool(*command, "--help")
        assert asked.returncode == 0 and "Usage: postrider" in asked.stdout, command
    assert tool("version").stdout.startswith("postrider ")
    assert tool("no-such-command").returncode == 2


def test_a_hashed_password_logs_in(new_relay, internet):
    hashed = tool("user", "hash", "--name", "app", stdin="a secret with a space\n")
    assert hashed.returncode == 0
    value = hashed.stdout.splitlines()[0]
    relay = new_relay(internet, user=[{"name": "app", "password_hash": value}],
                      server={"allow_plain_passwords": False})
    with connect(relay) as smtp:
        send(smtp, "ann@one.test")
    internet.wait_received("ann@one.test")


def relay_queue(relay, action, *arguments):
    done = relay.queue(action, *arguments)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(IN_MEMORY, reason="a queue in memory does not survive a restart")
def test_hold_and_suspend_outlive_a_kill(waiting, internet):
    relay, queue = waiting
    code, out, _ = relay_queue(relay, "hold", "--domain", "one.test")
    assert (code, out) == (0, "1 message held\n")
    code, out, _ = relay_queue(relay, "suspend", "--domain", "two.test", "--reason", "they asked")
    assert (code, out) == (0, "mail to two.test is suspended\n")
    relay.kill()
    relay.start()
    internet.set("one.test rcpt=250_2.1.5_ok")
    internet.set("two.test rcpt=250_2.1.5_ok")
    code, out, _ = relay_queue(relay, "list")
    assert "suspended: domain two.test (they asked)" in out
    assert relay_queue(relay, "retry", "--all")[1] == "1 message due now\n"
    submit(relay, ["eve@one.test"])  # not held: it came later
    internet.wait_received("eve@one.test")
    _, out, _ = relay_queue(relay, "show", queue)
    assert "next held" in out
    assert relay_queue(relay, "release", queue)[0] == 0
    internet.wait_received("ann@one.test")
    assert relay.metrics()["postrider_queue_messages"] == 1
    assert relay_queue(relay, "resume", "--domain", "two.test")[0] == 0
    internet.wait_received("bob@two.test")
    relay.wait_queue_empty()


@pytest.mark.skipif(IN_MEMORY, reason="a queue in memory does not survive a restart")
def test_the_limit_of_a_tenant_names_itself_and_outlives_a_restart(new_relay, internet):
    relay = new_relay(internet, queue={"tenant_messages_max": 1}, retry={"first_interval": "1h", "interval_max": "1h"})
    internet.set("one.test rcpt=451_4.7.1_try_later")
    submit(relay, ["ann@one.test"])
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            submit(relay, ["bob@one.test"])
        assert refused.value.code == 452
        assert "4.3.1 As many of your messages are queued as may be" in refused.value.text
        assert relay.metrics()['postrider_queue_refused_total{reason="tenant_messages_max"}'] == 1
        relay.kill()
        relay.start()
