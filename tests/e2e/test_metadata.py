"""Header fields for the journal: in every line of the message, also after a restart, and never at the MX host."""

import pytest

from submission import Refused, connect, message, send, submit

METADATA = {"x-job": "nightly run", "x-meta-user": "42, Grüße"}
FIELDS = "X-Meta-User: 42\r\nX-Job: nightly\r\n run\r\nx-META-user: Grüße\r\n".encode()
OPTIONS = {"submission": {"trusted_networks": ["127.0.0.0/8"], "metadata_headers": ["X-Meta-*", "X-Job"]}}


def assert_metadata(records):
    assert records and all(record["metadata"] == METADATA for record in records), records


def test_every_line_has_them_and_the_wire_does_not(new_relay, internet):
    relay = new_relay(internet, **OPTIONS)
    content = message()
    queue_id = submit(relay, ["ann@one.test", "reject-550@one.test"], FIELDS + content, mode="submission")
    (received,) = internet.wait_received("ann@one.test")
    assert received.behind_trace == content
    assert_metadata(relay.wait_journal(event="delivered", id=queue_id))
    assert_metadata(relay.wait_journal(event="bounced", id=queue_id))
    assert_metadata(relay.wait_journal(count=2, event="accepted", id=queue_id))


def test_they_survive_a_restart(new_relay, new_internet):
    internet = new_internet("held.test mx=@1 rcpt=451_4.7.1_later share=1.0")
    relay = new_relay(internet, **OPTIONS)
    queue_id = submit(relay, "ann@held.test", FIELDS + message())
    relay.wait_journal(event="deferred")
    relay.kill()
    before = len(relay.journal(event="deferred"))
    relay.start()
    assert_metadata(relay.wait_journal(before + 1, event="deferred", id=queue_id))


def test_too_many_are_refused(new_relay, internet):
    relay = new_relay(internet, **OPTIONS)
    many = b"".join(b"X-Meta-%d: x\r\n" % i for i in range(17))
    with connect(relay) as smtp:
        with pytest.raises(Refused, match="554 5.6.0 More than 16 header fields for the journal"):
            send(smtp, "ann@one.test", many + message())
