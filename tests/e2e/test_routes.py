"""Smart hosts: mail that goes where the configuration says. A second relay is the smart host."""

import pytest

from relay_process import PASSWORD, USER, tool
from submission import submit
from waiting import wait_for


@pytest.fixture
def smart_host(new_relay, internet):
    """A relay of its own that delivers to the simulated internet."""
    return new_relay(internet)


@pytest.fixture
def relay_by(new_relay, internet, smart_host):
    """relay_by(route option=...): a relay whose mail for all domains goes to the smart host on loopback.

    The guard against special addresses is on: an explicit route is exempt.
    """
    def make(mode, delivery=None, **route):
        entry = {"domain": "*", "host": "127.0.0.1", "port": smart_host.ports[mode], **route}
        guard = {"allow_special_addresses": False, "ca_file": str(smart_host.certificate.chain), **(delivery or {})}
        return new_relay(internet, delivery=guard, route=[entry])
    return make


LOGIN = {"user": USER, "password": PASSWORD}


def delivered(relay, internet):
    """Submits a message; the relay's record of its delivery, and what the simulated MX host received."""
    queue = submit(relay, "ann@one.test")
    (received,) = internet.wait_received("ann@one.test")
    (record,) = relay.wait_journal(event="delivered", id=queue)
    return record, received


@pytest.mark.parametrize("level", ["encrypt", "verify"])
@pytest.mark.parametrize("implicit", [False, True])
def test_mail_goes_to_the_smart_host_over_tls_with_a_login(relay_by, internet, smart_host, level, implicit):
    relay = relay_by("submissions" if implicit else "submission", tls=level, implicit_tls=implicit, **LOGIN)
    record, received = delivered(relay, internet)
    assert record["ip"] == "127.0.0.1"
    assert record["tls"].startswith("TLSv1.3")
    assert received.content.count(b"Received: ") == 2
    (accepted,) = [r for r in smart_host.journal(event="accepted") if r.get("recipient") == "ann@one.test"]
    assert accepted["sender"] == "news@client.test"


def test_connections_to_a_smart_host_are_used_again(relay_by, internet):
    relay = relay_by("submission", **LOGIN)
    for name in ("ann", "bob", "cid"):
        submit(relay, f"{name}@one.test")
        internet.wait_received(f"{name}@one.test")
    assert relay.metrics()["postrider_connections_reused_total"] >= 1


def test_mail_goes_to_a_smart_host_without_tls_or_login(relay_by, internet):
    record, _ = delivered(relay_by("trusted", tls="none"), internet)
    assert not record.get("tls")


def test_the_password_may_stand_in_a_file(relay_by, internet, directory):
    file = directory("secrets") / "password"
    file.write_text(PASSWORD + "\n")
    delivered(relay_by("submission", user=USER, password_file=str(file)), internet)


@pytest.mark.parametrize(("user", "password", "mechanism", "works"), [
    ("shop", "sesame", "first", True), ("shop", "wrong", "first", False), ("shop", "sesame", "scram-sha-256", True),
    # Nothing but SCRAM is tried where it is offered, and this account has no verifier for it.
    ("old", "sesame", "first", False), ("old", "sesame", "plain", True), ("old", "sesame", "login", True)])
def test_a_login_by_scram(new_relay, internet, users, user, password, mechanism, works):
    for name, options in (("shop", ()), ("old", ("--no-scram",))):
        done = tool("user", "add", name, "--sender", "*", *options, "--file", users, stdin="sesame\n")
        assert done.returncode == 0, done.stderr
    host = new_relay(internet, auth={"users_file": str(users)})
    relay = new_relay(internet, delivery={"ca_file": str(host.certificate.chain)}, route=[
        {"domain": "*", "host": "127.0.0.1", "port": host.ports["submission"], "tls": "verify", "user": user,
         "password": password, "mechanism": mechanism}])
    queue = submit(relay, "ann@one.test")
    if works:
        internet.wait_received("ann@one.test")
        (accepted,) = host.journal(event="accepted")
        assert accepted["user"] == user
    else:
        (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
        assert "535 5.7.8 " in deferred["reply"]
        assert not internet.received("ann@one.test")


def test_only_the_domains_of_the_route_take_it(new_relay, internet, smart_host):
    relay = new_relay(internet, route=[{"domain": "one.test", "host": "127.0.0.1",
                                        "port": smart_host.ports["trusted"], "tls": "none"}])
    for domain in ("one.test", "two.test"):
        submit(relay, f"ann@{domain}")
    (one,) = internet.wait_received("ann@one.test")
    (two,) = internet.wait_received("ann@two.test")
    assert one.content.count(b"Received: ") == 2
    assert two.content.count(b"Received: ") == 1


def test_a_tenant_takes_its_own_route(new_relay, internet, smart_host):
    to = {"port": smart_host.ports["trusted"], "tls": "none"}
    relay = new_relay(internet, user=[{"name": "app", "password": "a secret with a space", "tenant": "shop"}],
                      route=[{"tenant": "shop", "host": "127.0.0.1", **to},
                             {"domain": "two.test", "host": "gone.invalid"}])
    # Of the tenant before the nearer one of all; without a tenant the mail hosts of the domain.
    hops = {"ann@one.test": 2, "ann@two.test": 2, "bob@one.test": 1}
    for recipient, count in hops.items():
        submit(relay, recipient, mode="submission" if recipient.startswith("ann") else "trusted")
        (received,) = internet.wait_received(recipient)
        assert received.content.count(b"Received: ") == count
    waiting = submit(relay, "bob@two.test")
    (deferred, *_) = relay.wait_journal(event="deferred", id=waiting)
    assert "smart host" in deferred["reply"]
    for tenant, words in (("shop", "smart host [127.0.0.1]"), ("bank", "smart host gone.invalid")):
        done = tool("explain", "bob@two.test", "--tenant", tenant, "--admin", relay.admin)
        assert words in done.stdout


@pytest.mark.parametrize(("mode", "route", "words"), [
    ("submission", {**LOGIN, "password": "wrong"}, "535 5.7.8 "),
    ("trusted", LOGIN, ""),  # no TLS there
])
def test_mail_waits_where_the_smart_host_refuses(relay_by, internet, mode, route, words):
    relay = relay_by(mode, **route)
    queue = submit(relay, "ann@one.test")
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    assert words in deferred["reply"]
    assert not internet.received("ann@one.test")
    assert not relay.journal(event="bounced")


def test_a_login_is_not_given_to_a_smart_host_that_cannot_prove_its_name(relay_by, internet, smart_host):
    relay = relay_by("submissions", tls="verify", implicit_tls=True, delivery={"ca_file": str(internet.ca_file)},
                     **LOGIN)
    queue = submit(relay, "ann@one.test")
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    assert "certificate" in deferred["reply"]
    assert smart_host.metrics()["postrider_messages_accepted_total"] == 0


def test_mail_waits_while_the_smart_host_has_no_address(new_relay, internet):
    relay = new_relay(internet, route=[{"domain": "*", "host": "gone.invalid"}])
    queue = submit(relay, "ann@one.test")
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    assert deferred["reply"].startswith("451 4.4.3 The smart host could not be looked up")
    wait_for("another attempt", lambda: len(relay.journal(event="deferred", id=queue)) > 1)
