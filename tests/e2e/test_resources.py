"""What clients can take of the machine: file descriptors until there are none, and memory for sessions that only wait."""

import os
import resource
import socket
import ssl
import time

import pytest

from relay_process import is_instrumented
from submission import submit
from waiting import wait_for

SESSIONS = 10_000 if os.environ.get("POSTRIDER_LONG") else 300
KIB_MAX = 50  # of an idle session with TLS
WATCHED = 2  # seconds

# UBSan looks at memory through a pipe: without descriptors it takes good objects for bad ones.
pytestmark = pytest.mark.skipif(is_instrumented(),
                                reason="an instrumented relay needs other memory, and descriptors of its own")


def descriptors(relay):
    return len(os.listdir(f"/proc/{relay.process.pid}/fd"))


def processor_seconds(relay):
    with open(f"/proc/{relay.process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(relay):
    with open(f"/proc/{relay.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def greeted(link):
    link.settimeout(30)
    try:
        return link.recv(3) == b"220"
    except OSError:
        return False


def test_who_is_refused_leaves_the_descriptors_to_others(new_relay, internet):
    """One address comes again and again, and does not close what was refused: most of that is gone at once."""
    relay = new_relay(internet, start=False, submission={"trusted_networks": ["127.0.0.0/8"],
                                                         "connections_per_client_max": 2})
    relay.start()
    at_rest = descriptors(relay)
    relay.descriptors_max = at_rest + 40
    relay.stop()
    relay.start()
    address = ("127.0.0.1", relay.ports["trusted"])
    refused = []
    for _ in range(34):
        refused.append(socket.create_connection(address, timeout=30, source_address=("127.0.0.9", 0)))
        refused[-1].recv(3)
    wait_for("those that were refused to be gone", lambda: descriptors(relay) < at_rest + 20, within=1)
    with socket.create_connection(address, timeout=30) as other:
        assert greeted(other)
    for link in refused:
        link.close()


def test_out_of_descriptors_it_turns_clients_away_and_recovers(relay, internet):
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")
    relay.descriptors_max = descriptors(relay) + 20
    relay.stop()
    relay.start()
    address = ("127.0.0.1", relay.ports["trusted"])
    links = [socket.create_connection(address, timeout=30) for _ in range(60)]
    wait_for("the relay to say so", lambda: "connection refused: descriptors" in relay.log())
    # It neither spins nor lets them wait for ever.
    before, began = processor_seconds(relay), time.monotonic()
    answered = [greeted(link) for link in links]
    assert 0 < answered.count(True) < len(links)
    while time.monotonic() - began < WATCHED:
        socket.create_connection(address, timeout=30).close()
    assert processor_seconds(relay) - before < WATCHED / 2
    assert relay.running()
    for link in links:
        link.close()

    def served():
        with socket.create_connection(address, timeout=30) as link:
            return greeted(link)
    wait_for("a client to be served again", served)
    submit(relay, "bob@one.test")
    internet.wait_received("bob@one.test")
    assert relay.metrics()['postrider_connections_refused_total{reason="descriptors"}'] >= 1
    assert relay.log().count("connection refused: descriptors") == 1  # said once, however often


@pytest.mark.parametrize("mode, refused", [("submissions", 0), ("submission", 0), ("submissions", 128 << 10)])
def test_memory_of_idle_sessions(new_relay, internet, certificate, mode, refused):
    """`refused`: octets of a chunk that each has sent and that was not taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < SESSIONS + 200:
        pytest.skip(f"{hard} descriptors are too few for {SESSIONS} sessions")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, SESSIONS + 200), hard))
    many = 2 * SESSIONS
    relay = new_relay(internet, submission={
        "connections_per_client_max": many, "connections_per_network_max": many, "connections_max": max(many, 10_000),
        "login_deadline": "1h", "idle_timeout": "1h"})
    context = ssl.create_default_context(cafile=certificate.chain)

    def session():
        link = socket.create_connection(("127.0.0.1", relay.ports[mode]), timeout=60)
        if mode == "submission":
            link.recv(1000)
            link.sendall(b"EHLO app.client.test\r\n")
            link.recv(1000)
            link.sendall(b"STARTTLS\r\n")
            link.recv(1000)
        link = context.wrap_socket(link, server_hostname="localhost")
        if mode == "submissions":
            link.recv(1000)
        link.sendall(b"EHLO app.client.test\r\n")
        assert link.recv(1000).startswith(b"250-")
        if refused:
            link.sendall(b"BDAT %d\r\n" % refused + b"x" * refused)
            assert link.recv(1000).startswith(b"530 ")
        return link

    warm = [session() for _ in range(50)]
    before = resident_kib(relay)
    links = [session() for _ in range(SESSIONS)]
    each = (resident_kib(relay) - before) / SESSIONS
    print(f"{SESSIONS} idle sessions: {each:.1f} KiB each, {resident_kib(relay) // 1024} MiB in all")
    for link in warm + links:
        link.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert each <= KIB_MAX
