"""Levels of delivery.tls against MX hosts with and without good TLS."""

import pathlib

import pytest

from submission import connect, submit

NO_TLS, BROKEN, GOOD = "one.test tls=off", "one.test tls=broken", "one.test tls=on"


@pytest.fixture
def relay_at(new_relay, internet):
    """relay_at(level): a relay of this level that trusts the CA of the simulated MX hosts."""
    def make(level, **options):
        return new_relay(internet, delivery={"tls": level, "ca_file": str(internet.ca_file), **options})
    return make


def delivered_over(relay, internet):
    """Submits a message; the TLS version it was delivered over, '' for plaintext."""
    submit(relay, "ann@one.test")
    (received,) = internet.wait_received("ann@one.test")
    return received.tls or ""


def first_failure(relay):
    """Submits a message that cannot be delivered now; its first journal record."""
    queue = submit(relay, "ann@one.test")
    (deferred, *_) = relay.wait_journal(event="deferred", id=queue)
    return deferred


@pytest.mark.parametrize(("level", "rule", "version"), [
    ("none", GOOD, ""), ("none", NO_TLS, ""), ("none", BROKEN, ""),
    ("may", GOOD, "TLSv1.3"), ("may", NO_TLS, ""), ("may", BROKEN, ""),
    ("encrypt", GOOD, "TLSv1.3"), ("verify", GOOD, "TLSv1.3"),
])
def test_delivers(relay_at, internet, level, rule, version):
    internet.set(rule)
    assert delivered_over(relay_at(level), internet) == version


@pytest.mark.parametrize("level", ["may", "encrypt"])
@pytest.mark.parametrize("flaw", ["expired", "wrongname", "selfsigned"])
def test_any_certificate_will_do_below_verify(relay_at, internet, level, flaw):
    internet.set("one.test certificate=" + flaw)
    assert delivered_over(relay_at(level), internet) == "TLSv1.3"


@pytest.mark.parametrize("level", ["encrypt", "verify"])
@pytest.mark.parametrize("rule", [NO_TLS, BROKEN])
def test_nothing_is_sent_in_the_clear_from_encrypt_on(relay_at, internet, level, rule):
    internet.set(rule)
    relay = relay_at(level)
    assert "tls" not in first_failure(relay)
    assert internet.stats()["messages"] == 0
    internet.set(GOOD)
    (received,) = internet.wait_received("ann@one.test")
    assert received.tls == "TLSv1.3"


@pytest.mark.parametrize(("flaw", "reason"), [("expired", "expired"), ("wrongname", "not for mx1.one.test"),
                                              ("selfsigned", "self-signed")])
def test_verify_refuses_a_bad_certificate(relay_at, internet, flaw, reason):
    internet.set("one.test certificate=" + flaw)
    deferred = first_failure(relay_at("verify"))
    assert reason in deferred["reply"].lower()
    assert internet.stats()["messages"] == 0


def test_verify_refuses_an_unknown_authority(relay_at, internet, certificate):
    deferred = first_failure(relay_at("verify", ca_file=str(certificate.chain)))
    assert "certificate" in deferred["reply"].lower()
    assert internet.stats()["messages"] == 0


@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_a_host_that_insists_on_tls_gets_it(relay_at, internet, level):
    internet.set("one.test tls=required")
    assert delivered_over(relay_at(level), internet) == "TLSv1.3"


def test_a_host_that_insists_on_tls_is_not_reached_without(relay_at, internet):
    internet.set("one.test tls=required")
    relay = relay_at("none")
    submit(relay, "ann@one.test")
    _, ended = relay.wait_journal(recipient="ann@one.test", count=2)
    assert ended["reply"].startswith("530 ")
    assert not internet.received("ann@one.test")


def test_starttls_refused_by_a_host_that_offered_it(relay_at, internet):
    internet.set("one.test starttls=454_4.7.0_not_now")
    assert delivered_over(relay_at("may"), internet) == ""


def test_handshakes_have_threads_of_their_own(relay_at, internet):
    """They begin with the first handshake of their direction."""
    def threads():
        tasks = pathlib.Path(f"/proc/{relay.process.pid}/task")
        return {(task / "comm").read_text().strip() for task in tasks.iterdir()} & {"tls-in", "tls-out"}

    relay = relay_at("encrypt")
    assert threads() == set()
    connect(relay).quit()
    assert threads() == {"tls-in"}
    assert delivered_over(relay, internet) == "TLSv1.3"
    assert threads() == {"tls-in", "tls-out"}
