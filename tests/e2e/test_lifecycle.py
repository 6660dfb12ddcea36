"""Start, privileges, stop: what service managers and administrators rely on."""

import collections
import contextlib
import json
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import threading

import pytest

from relay_process import ALARMS, POSTRIDER, RUN_AS, environment, is_root
from submission import connect, message, send, submit
from waiting import wait_for

as_root = pytest.mark.skipif(not is_root(), reason="only root can become another user")
CAP_NET_BIND_SERVICE = 1 << 10


class Submitters:
    """Threads that submit to a relay until it ends or they are told to; what was acknowledged."""

    def __init__(self, relay, count=4, recipient="ann@one.test"):
        self.relay, self.recipient = relay, recipient
        self.acknowledged = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, thread):
        number = 0
        try:
            with connect(self.relay, "trusted") as smtp:
                while not self.ended.is_set():
                    number += 1
                    sequence = f"{thread}-{number}"
                    send(smtp, self.recipient, message(sequence=sequence))
                    self.acknowledged.append(sequence)
        except Exception:  # whatever the end of the relay looks like from here: nothing was acknowledged
            pass

    def join(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


def sequences(internet):
    return collections.Counter(record["sequence"] for record in internet.records())


def test_sigterm_under_load_loses_nothing_acknowledged(relay, internet):
    submitters = Submitters(relay)
    wait_for("some mail", lambda: len(submitters.acknowledged) >= 50)
    relay.stop()  # fails where it takes too long
    submitters.join()
    assert len(submitters.acknowledged) >= 50
    relay.start()
    relay.wait_queue_empty()
    received = sequences(internet)
    assert not set(submitters.acknowledged) - set(received)
    # An orderly stop lets deliveries in progress end, so that nothing is sent twice.
    assert max(received.values()) == 1


def test_sigterm_ends_sessions_with_421(relay):
    idle = connect(relay, "trusted")
    within = connect(relay, "trusted")
    within.mail("news@client.test")
    relay.process.send_signal(signal.SIGTERM)
    for smtp in (idle, within):
        code, _ = smtp.getreply()
        assert code == 421
        smtp.close()
    assert relay.wait_end() == 0


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02"])
def test_sigterm_during_a_tls_handshake(relay, sent):
    with socket.create_connection(("127.0.0.1", relay.ports["submissions"])) as client:
        client.sendall(sent)
        wait_for("the session", lambda: any(value >= 1 for name, value in relay.metrics().items()
                                            if name.startswith("postrider_sessions_open")))
        relay.stop()



@pytest.mark.parametrize("phase", ["greeting", "dot"])
def test_sigterm_does_not_wait_for_a_host_that_hangs(relay, internet, phase):
    internet.set(f"one.test {phase}=hang")
    submit(relay, "ann@one.test")
    wait_for("a connection", lambda: internet.stats()["connections"] >= 1)
    relay.stop()
    internet.set(f"one.test {phase}=ok")
    relay.start()
    internet.wait_received("ann@one.test")


def test_sigterm_lets_a_delivery_end_and_takes_no_more_clients(relay, internet):
    submit(relay, "ann@one.test")
    wait_for("an idle connection", lambda: relay.metrics()["postrider_connections_out_idle"] == 1)
    internet.set("one.test delay=1s")
    under_way = submit(relay, "bob@one.test")
    wait_for("the next delivery", lambda: relay.metrics()["postrider_connections_reused_total"] == 1)
    relay.process.send_signal(signal.SIGTERM)
    wait_for("the stop to begin", lambda: "server: stopping" in relay.log())
    with pytest.raises(ConnectionRefusedError):
        connect(relay, "trusted")
    assert not internet.received("bob@one.test") and relay.running()  # or nothing was shown
    assert relay.wait_end() == 0
    assert len(relay.journal(event="delivered", id=under_way)) == 1
    relay.start()
    relay.wait_queue_empty()
    assert len(internet.received("bob@one.test")) == 1


def test_sigint_stops_too(relay):
    relay.process.send_signal(signal.SIGINT)
    assert relay.wait_end() == 0


def test_a_second_signal_cuts_the_wait_short(relay, internet):
    internet.set("one.test dot=hang")
    submit(relay, "ann@one.test")
    wait_for("a delivery", lambda: internet.stats()["faults"] >= 1)
    relay.process.send_signal(signal.SIGTERM)
    wait_for("the stop to begin", lambda: "stopping" in relay.log())
    relay.process.send_signal(signal.SIGTERM)
    assert relay.wait_end(within=5) == 0


def test_a_second_instance_is_refused(relay, new_relay, internet):
    other = new_relay(internet, start=False, server={"data_dir": str(relay.data)},
                      journal={"file": str(relay.journal_file)})
    other.spawn()
    assert other.wait_end(within=30) == 1
    assert "cannot start" in other.log()
    assert str(relay.data) in other.log() and "another" in other.log().lower()
    assert not ALARMS.search(other.log())
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")


def test_an_address_in_use_is_named(relay, new_relay, internet):
    address = f"127.0.0.1:{relay.ports['trusted']}"
    other = new_relay(internet, start=False, listener=[{"address": address, "mode": "trusted"}])
    other.spawn()
    assert other.wait_end(within=30) == 1
    assert address in other.log()


def status_of(relay):
    lines = pathlib.Path(f"/proc/{relay.process.pid}/status").read_text().splitlines()
    return {line.split(":")[0]: line.split(":")[1].split() for line in lines}


@as_root
def test_root_becomes_the_user_for_good(relay, internet):
    status = status_of(relay)
    user = pwd.getpwnam(RUN_AS)
    assert status["Uid"] == [str(user.pw_uid)] * 4
    assert status["Gid"] == [str(user.pw_gid)] * 4
    assert "0" not in status["Groups"]
    for field in ("CapEff", "CapPrm"):
        assert int(status[field][0], 16) == CAP_NET_BIND_SERVICE
    assert int(status["CapInh"][0], 16) == 0
    assert status["NoNewPrivs"] == ["1"]
    for file in relay.data.iterdir():
        assert file.stat().st_uid == user.pw_uid
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")


@as_root
def test_all_threads_have_dropped_root(relay):
    for task in pathlib.Path(f"/proc/{relay.process.pid}/task").iterdir():
        status = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        assert status["Uid"].split()[0] == str(pwd.getpwnam(RUN_AS).pw_uid)
        assert int(status["CapEff"], 16) == CAP_NET_BIND_SERVICE


@as_root
def test_a_port_below_1024_is_bound_before_root_is_dropped(new_relay, internet, block):
    address = block.address(251) + ":25"
    relay = new_relay(internet, listener=[{"address": address, "mode": "trusted"}])
    assert f"listening address={address}" in relay.log()


@as_root
@pytest.mark.parametrize("user", [None, "root"])
def test_root_without_a_user_to_become_is_refused(new_relay, internet, user):
    relay = new_relay(internet, start=False)
    if user:
        relay.sections["server"]["user"] = user
    else:
        del relay.sections["server"]["user"]
    relay.write_config()
    relay.spawn()
    assert relay.wait_end(within=30) in (1, 3)
    assert "server.user" in relay.log()
    assert "listening" not in relay.log()
    assert not list(relay.data.iterdir())


@as_root
def test_a_key_the_user_cannot_read_is_named_before_anything_starts(new_relay, internet, directory):
    relay = new_relay(internet, start=False)
    key = directory("keys") / "secret.pem"
    key.write_bytes(relay.certificate.key.read_bytes())
    os.chmod(key, 0o600)
    relay.sections["tls"]["key"] = str(key)
    relay.write_config()
    relay.spawn()
    assert relay.wait_end(within=30) == 3
    assert str(key) in relay.log() and RUN_AS in relay.log()


def test_the_manager_is_told(new_relay, internet, directory, monkeypatch):
    path = str(directory("notify") / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        os.chmod(path, 0o777)
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        relay = new_relay(internet)
        assert b"READY=1" in manager.recv(4096)
        relay.stop()
        assert b"STOPPING=1" in manager.recv(4096)


def test_the_journal_tells_each_story_in_order(relay, internet):
    queue = submit(relay, ["ann@one.test", "reject-550@two.test"], mode="submission")
    internet.wait_received("news@client.test")
    relay.wait_queue_empty()
    records = relay.journal(id=queue)
    assert [r["event"] for r in records[:2]] == ["accepted", "accepted"]
    assert sorted(r["event"] for r in records[2:]) == ["bounced", "delivered"]
    assert all(r["sender"] == "news@client.test" and r["user"] == "app" for r in records)
    assert records[0]["client"] == "127.0.0.1"
    (bounced,) = relay.journal(id=queue, event="bounced")
    (report,) = relay.journal(id=bounced["report"], event="accepted")
    assert report["sender"] == "" and report["recipient"] == "news@client.test"
    assert len(relay.journal(id=bounced["report"], event="delivered")) == 1
    # Deliveries of several threads may mix; the story of one recipient does not.
    for recipient in ("ann@one.test", "reject-550@two.test"):
        times = [r["time"] for r in relay.journal(id=queue, recipient=recipient)]
        assert len(times) == 2 and times == sorted(times)


def test_accepted_comes_first_under_load(relay, internet):
    submitters = Submitters(relay)
    wait_for("some mail", lambda: len(submitters.acknowledged) >= 100)
    submitters.join()
    relay.wait_queue_empty()
    seen = set()
    for record in relay.journal():
        if record["event"] == "accepted":
            seen.add(record["id"])
        assert record["id"] in seen, record
    assert len(seen) >= 100


def test_sighup_reopens_the_journal(relay, internet):
    first = submit(relay, "ann@one.test")
    relay.wait_journal(id=first, event="delivered")
    aside = relay.journal_file.with_suffix(".1")
    relay.journal_file.rename(aside)
    relay.process.send_signal(signal.SIGHUP)
    wait_for("a new journal", relay.journal_file.exists)
    second = submit(relay, "bob@one.test")
    relay.wait_journal(id=second, event="delivered")
    assert not relay.journal(id=first)
    assert all(json.loads(line)["id"] == first for line in aside.read_text().splitlines())


def test_sighup_while_it_stops_ends_nothing(relay, internet):
    """As log rotation sends it, at any moment."""
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")
    relay.process.send_signal(signal.SIGTERM)

    def ended():
        relay.process.send_signal(signal.SIGHUP)
        return " server: stopped" in relay.log() or not relay.running()
    wait_for("it to stop", ended)
    assert relay.wait_end() == 0


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1)])
def test_standard_streams_may_be_closed(new_relay, internet, closed):
    relay = new_relay(internet, start=False)
    relay.closed = closed
    relay.start()
    held = [os.readlink(f"/proc/{relay.process.pid}/fd/{stream}") for stream in closed]
    assert held == ["/dev/null"] * len(closed)
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")
    relay.stop()


def test_a_log_that_nobody_reads_holds_nothing_up(relay, internet):
    relay.stop()
    reading, writing = os.pipe()
    relay.process = subprocess.Popen([POSTRIDER, "serve", "--config", relay.config_file], stdin=subprocess.DEVNULL,
                                     stderr=writing, env=environment())
    said = b""
    while b" server: ready" not in said:
        said += os.read(reading, 65536)
    relay.log_file.write_bytes(said)
    relay.wait_ready()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 100)
    os.set_blocking(writing, True)
    for _ in range(20):  # each makes a line of the log
        with socket.create_connection(("127.0.0.1", relay.ports["submissions"]), timeout=5) as link:
            link.sendall(b"GET / HTTP/1.0\r\n\r\n")
            link.recv(1000)
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")
    relay.process.send_signal(signal.SIGTERM)
    assert relay.wait_end() == 0
    os.close(reading)
    os.close(writing)
