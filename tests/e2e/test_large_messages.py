"""Messages of tens of MiB: written to the queue while they arrive, so that they take disk and not memory."""

import concurrent.futures
import hashlib
import random
import socket

from relay_process import is_instrumented
from signatures import records, verify
from submission import connect, message, send, submit
from waiting import wait_for

MIB = 1 << 20
CLIENTS = 6
SIZE = 6 * MIB if is_instrumented() else 40 * MIB
LIMITS = {"message_size_max": "400MiB", "bodies_in_flight_max": "8MiB", "bodies_in_flight_per_client_max": "8MiB",
          "stream_from": "256KiB"}
# The memory of the queue's store is in it, which does not follow the size of messages.
GROWTH_KIB_MAX = 160 << 10


def body_of(size, seed):
    """Lines that do not compress, some of which begin with a dot."""
    chance = random.Random(seed)
    line = b"%s\r\n.%s\r\n" % (chance.randbytes(37).hex().encode(), chance.randbytes(30).hex().encode())
    return b"".join(b"%09d %s" % (number, line) for number in range(size // (len(line) + 10) + 1))


def digest(content):
    return hashlib.sha256(content).hexdigest()


def status_kib(relay, field):
    with open(f"/proc/{relay.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))


def open_bodies(relay):
    return relay.metrics()["postrider_queue_open_bodies"]


def begin(relay, size):
    """A connection that has sent so many octets of a text, and has not ended it."""
    link = socket.create_connection(("127.0.0.1", relay.ports["trusted"]), timeout=60)
    reader = link.makefile("rb")
    assert reader.readline().startswith(b"220 ")
    for command, code in ((b"HELO a", b"250 "), (b"MAIL FROM:<a@client.test>", b"250 "),
                          (b"RCPT TO:<ann@one.test>", b"250 "), (b"DATA", b"354 ")):
        link.sendall(command + b"\r\n")
        assert reader.readline().startswith(code)
    link.sendall(message(body_of(size, 0)))
    return link


def begun(relay, size, count=1):
    """Such connections, once most of their texts is in the queue's store."""
    links = [begin(relay, size) for _ in range(count)]
    wait_for("the texts to be written", lambda: relay.metrics()["postrider_queue_open_bytes"] > count * size // 2)
    return links


def test_many_at_once_arrive_signed_in_bounded_memory(signing_relay, internet):
    relay = signing_relay("r1", "e1", sections={"submission": LIMITS})
    submit(relay, "warm@one.test", message(body_of(MIB, 99)), mode="submission")
    internet.wait_received("warm@one.test")
    before = status_kib(relay, "VmHWM")
    contents = [message(body_of(SIZE + number * 70_001, number)) for number in range(CLIENTS)]

    def send_one(number):
        mode = ("submission", "trusted", "submissions")[number % 3]
        with connect(relay, mode) as smtp:
            return send(smtp, f"b{number}@one.test", contents[number])
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send_one, range(CLIENTS)))
    published = records(relay)
    for number, content in enumerate(contents):
        (received,) = internet.wait_received(f"b{number}@one.test")
        assert digest(received.content[-len(content):]) == digest(content), number
        assert verify(received.content, published) == {"rsa-sha256": True, "ed25519-sha256": True}, number
    relay.wait_queue_empty()
    growth = status_kib(relay, "VmHWM") - before
    total = sum(map(len, contents))
    print(f"{CLIENTS} messages, {total // MIB} MiB in all: VmHWM grew by {growth // 1024} MiB from {before // 1024} MiB")
    if not is_instrumented():
        assert growth < GROWTH_KIB_MAX < total // 1024
    metrics = relay.metrics()
    assert metrics["postrider_text_bytes"] == 0
    assert metrics["postrider_queue_open_bodies"] == 0
    assert metrics["postrider_text_part_seconds_count"] >= CLIENTS * (SIZE // (MIB // 2))


def test_a_message_larger_than_all_memory_for_texts(new_relay, internet):
    relay = new_relay(internet, submission=LIMITS)
    content = message(body_of(SIZE, 1))
    with connect(relay, "trusted") as smtp:
        assert smtp.mail("a@client.test")[0] == 250
        assert smtp.rcpt("ann@one.test")[0] == 250
        for at in range(0, len(content), 5 * MIB):
            part = content[at:at + 5 * MIB]
            last = b" LAST" if at + 5 * MIB >= len(content) else b""
            smtp.send(b"BDAT %d%s\r\n" % (len(part), last) + part)
            assert smtp.getreply()[0] == 250
        send(smtp, "bob@one.test", content)
    for name in ("ann", "bob"):
        (received,) = internet.wait_received(f"{name}@one.test")
        assert digest(received.content[-len(content):]) == digest(content)


def test_what_does_not_come_to_its_end_is_erased(new_relay, internet):
    relay = new_relay(internet, submission=LIMITS)
    links = begun(relay, 4 * MIB, count=3)
    assert open_bodies(relay) == 3
    for link in links:
        link.close()
    wait_for("them to be erased", lambda: open_bodies(relay) == 0)
    metrics = relay.metrics()
    assert metrics["postrider_queue_open_bytes"] == metrics["postrider_text_bytes"] == 0
    assert metrics["postrider_queue_messages"] == 0
    assert relay.queue("list").returncode == 0
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")


def test_a_stop_in_the_middle_erases_them(new_relay, internet):
    relay = new_relay(internet, submission=LIMITS)
    links = begun(relay, 4 * MIB, count=2)
    relay.stop()
    for link in links:
        link.close()
    relay.start()
    assert "are erased" not in relay.log()  # nothing was left for this start
    assert relay.metrics()["postrider_queue_messages"] == 0
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")


def test_after_a_kill_nothing_is_left(new_relay, internet):
    relay = new_relay(internet, submission=LIMITS)
    links = begun(relay, 4 * MIB, count=2)
    submit(relay, "bob@one.test")  # its sync covers what is written of them
    relay.kill()
    for link in links:
        link.close()
    relay.start()
    assert "that were being written when an earlier process ended are erased bodies=2" in relay.log()
    internet.wait_received("bob@one.test")
    relay.wait_queue_empty()
    metrics = relay.metrics()
    assert metrics["postrider_queue_open_bodies"] == metrics["postrider_queue_messages"] == 0
    content = message(body_of(4 * MIB, 5))
    submit(relay, "ann@one.test", content)
    (received,) = internet.wait_received("ann@one.test")  # the only one
    assert digest(received.content[-len(content):]) == digest(content)
