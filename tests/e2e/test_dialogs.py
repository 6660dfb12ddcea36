"""The transcripts of tests/dialogs against the live relay: each as it stands, and in random pieces.

SEED=N repeats the pieces of a run. How many were played, and which only the engines in memory can play, is printed.
"""

import concurrent.futures
import itertools
import os
import random
import re

import pytest

import live_client
import live_server
import live_wire
import transcripts
from waiting import wait_for

PLAYS = 30 if os.environ.get("POSTRIDER_LONG") else 2  # the first as it stands
THREADS = 32
MEMORY_MAX = 13  # more dialogs that the live relay cannot have would make it another test
ADDRESSES = range(10, 250)  # numbers in the block: sources of the clients


def choose(role):
    """The dialogs of this role that the live relay can have."""
    dialogs = transcripts.read_all(role)
    live = [dialog for dialog in dialogs if not dialog.setting("memory")]
    for dialog in dialogs:
        if dialog not in live:
            print(f"memory only: {dialog.file}: {dialog.title}: {dialog.setting('memory')}")
    print(f"{role}: {len(live)} dialogs played live, {len(dialogs) - len(live)} in memory only")
    assert len(live) > 40 and len(dialogs) - len(live) <= MEMORY_MAX
    return live


def gather(work):
    """Runs all of work, some at a time; their results, or the failures in words."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(job) for job in work]
        concurrent.futures.wait(futures)
    failures = [str(future.exception()) for future in futures if future.exception()]
    assert not failures, f"{len(failures)} of {len(futures)} plays failed:\n" + "\n".join(failures)
    return [future.result() for future in futures]


def check_messages(relay, plays):
    """Who the messages are from and for, and that there are no others; returns them."""
    messages = [message for play in plays for message in play.messages]
    accepted = {}
    for record in relay.journal(event="accepted"):
        if "client" in record:  # not a report of our own
            accepted.setdefault(record["id"], []).append(record)
    assert set(accepted) == {message.id for message in messages}, "accepted, and not by a transcript, or the reverse"
    for message in messages:
        message.check_route(accepted[message.id])
    return messages


def received_texts(internet, wanted):
    """The text of each of these queue ids as it came to a mail host."""
    texts = {}
    for received in internet.received():
        queue_id = re.search(rb"\bid (\w+)", received.trace)[1].decode()
        texts[queue_id] = received.behind_trace
    return texts if set(wanted) <= set(texts) else None


def test_the_relay_as_server(new_relay, new_internet, block, seed):
    internet = new_internet("b.test,d.test,f.test,h.test mx=@1")
    relays, work, plays = {}, [], {}
    sources = itertools.cycle(ADDRESSES)

    def play(relay, dialog, number):
        chance = random.Random(f"{seed} {dialog.file} {dialog.title} {number}") if number else None
        return live_server.ServerPlay(dialog, relay, block.address(next(sources)), chance).run()

    for dialog in choose("server"):
        for number in range(1 if dialog.has("SHUTDOWN") else PLAYS):
            needs = live_server.needs(dialog)
            if needs not in relays:
                relays[needs] = live_server.spawn(new_relay, internet, dialog)
            work.append((dialog, lambda *job, relay=relays[needs]: (relay, play(relay, *job)), number))
    for relay in relays.values():
        relay.wait_ready()
    work.sort(key=lambda job: not job[0].has("WAIT"))  # the longest first
    for relay, done in gather([lambda job=job: job[1](job[0], job[2]) for job in work]):
        plays.setdefault(relay, []).append(done)
    reasons = sum(play.check_reason(relay.log()) for relay in plays for play in plays[relay])
    assert reasons >= len(relays)
    messages = [message for relay in plays for message in check_messages(relay, plays[relay])]
    wanted = [message.id for message in messages if message.text is not None]
    texts = wait_for("the messages at their mail hosts", lambda: received_texts(internet, wanted))
    for message in messages:
        message.check_text(texts.get(message.id))
    print(f"{len(work)} plays on {len(relays)} relays, {len(messages)} messages, {reasons} reasons to close")


@pytest.mark.parametrize(("right", "wrong"), [
    (r"^250 2\.0\.0 Ok: queued.*", "250 2.0.0 Delivered"), (r"^<a@b.test> <c@d.test>$", "<a@b.test> <x@d.test>"),
    (r"^body$", "another body"), (r"^QUIT$", "NOOP"), (r"^quit$", "errors"), (r"^354 \*$", "250")])
def test_the_player_notices_what_differs(new_relay, new_internet, block, monkeypatch, right, wrong):
    internet = new_internet("d.test mx=@1")
    (dialog,) = [dialog for dialog in choose("server") if dialog.title == "An ordinary message"]
    relay = new_relay(internet, **live_server.settings(dialog))

    def play():
        done = live_server.ServerPlay(dialog, relay, block.address(2)).run()
        (message,) = check_messages(relay, [done])
        (received,) = wait_for("the message", lambda: received_texts(internet, [message.id]) or {}).items()
        message.check_text(received[1])
        done.check_reason(relay.log())

    marks = ("C:",) if right == "^QUIT$" else ("S:", "M:", "|", "CLOSED")  # of a body what is expected, not what is sent
    next(line for line in dialog.lines if line.mark in marks and re.search(right, line.text)).text = wrong
    monkeypatch.setattr(live_wire, "HANGS_AFTER", 2)
    with pytest.raises(live_wire.Differs):
        play()


@pytest.mark.parametrize(("right", "wrong"), [
    ("RCPT TO:<c@d.test>", "RCPT TO:<c@d.test> NOTIFY=FAILURE"), ("x", "y"), ("MAIL FROM:<a@b.test>", "HELO relay.test"),
    ("<c@d.test> end-of-data 250 ok", "<c@d.test> end-of-data 550 no")])
def test_the_player_notices_what_the_client_says_differently(new_relay, new_internet, block, certificate, right, wrong):
    (dialog,) = [dialog for dialog in choose("client") if dialog.title == "No keyword, no parameter"]
    port, sockets = live_client.listeners(block, [10])
    relay = new_relay(new_internet("b.test mx=@1", "d10.test mx=@10"), **live_client.settings(dialog, port, {}))
    next(line for line in dialog.lines if line.mark in ("C:", "R:") and line.text == right).text = wrong
    with pytest.raises(live_wire.Differs):
        live_client.ClientPlay(dialog, relay, sockets[10], 10, certificate).run()


@pytest.mark.parametrize("number", range(PLAYS))
def test_the_relay_as_client(new_relay, new_internet, block, certificate, seed, number):
    dialogs = choose("client")
    numbers = range(10, 10 + len(dialogs))
    port, sockets = live_client.listeners(block, numbers)
    # Names in the simulated DNS; the port at their addresses is that of our own mail hosts.
    internet = new_internet("b.test mx=@1", *(f"d{n}.test mx=@{n}" for n in numbers))
    hosts = {f"d{n}.test": block.address(n) for n in numbers}
    relays, work = {}, []
    for n, dialog in zip(numbers, dialogs):
        needs = live_client.needs(dialog)
        if needs not in relays:
            relays[needs] = new_relay(internet, **live_client.settings(dialog, port, hosts))
        chance = random.Random(f"{seed} {dialog.file} {dialog.title} {number}") if number else None
        work.append(live_client.ClientPlay(dialog, relays[needs], sockets[n], n, certificate, chance))
    work.sort(key=lambda play: not play.dialog.has("WAIT"))  # the longest first
    gather([play.run for play in work])
    print(f"{len(work)} plays on {len(relays)} relays")
