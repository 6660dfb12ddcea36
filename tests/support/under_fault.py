"""What is asked of a relay whose disk fails: it refuses with a 4xx or ends in clear words, and no message is lost."""

import random
import re
import signal
import smtplib
import time

from acknowledged import Load, check_nothing_lost, received_counts
from submission import Refused, message, send
from waiting import POLL, let_pass, wait_for

HELD = "held.test"  # whose mail stays in the queue; see held_internet
DOMAINS = [HELD, "d1.test", "d2.test"]
REFUSALS = {421, 451, 452}
NO_SESSION = 0  # instead of a reply code
RECOVERS_WITHIN = 4  # seconds after a fault; a relay that has not recovered by then is started anew
# The words in which a relay says that its queue fails, or that it ends.
CLEAR_WORDS = re.compile(r" error \w+: ")


def submit_once(relay, acknowledged):
    """The code of the reply to one message; where it is 250, `acknowledged` has it."""
    sequence = f"once-{random.getrandbits(48):x}"
    try:
        with smtplib.SMTP("127.0.0.1", relay.ports["trusted"], timeout=30) as smtp:
            smtp.ehlo("app.client.test")
            send(smtp, f"ann@{HELD}", message(sequence=sequence))
    except Refused as refused:
        return refused.code
    except (OSError, smtplib.SMTPException):
        return NO_SESSION
    acknowledged[sequence] = sequence
    return 250


def submit_for(relay, seconds, acknowledged):
    """The codes of the replies in this time; the first is waited for."""
    codes = set()
    deadline = time.monotonic() + seconds
    while not codes or (relay.running() and time.monotonic() < deadline):
        codes.add(submit_once(relay, acknowledged))
    return codes


def check_codes(relay, codes):
    assert codes <= {250, NO_SESSION} | REFUSALS, codes
    if NO_SESSION in codes:
        wait_for("the end of a relay that left a session without a reply", lambda: not relay.running(), within=10)


def begin_load(relay, file, domains=tuple(DOMAINS), **options):
    load = Load(relay, file, domains, **options)
    wait_for("the load to begin", lambda: load.count() > 20 or load.process.poll() is not None)
    assert load.process.poll() is None, load.process.stderr.read()
    return load


def accepts_again(relay, acknowledged):
    """Waits for a 250; False where the relay ended: then it must have said why."""
    deadline = time.monotonic() + RECOVERS_WITHIN
    while relay.running() and time.monotonic() < deadline:
        code = submit_once(relay, acknowledged)
        if code == 250:
            return True
        check_codes(relay, {code})
        let_pass(10 * POLL)
    assert not relay.running(), f"still refuses mail:\n{relay.log()[-2000:]}"
    assert CLEAR_WORDS.search(relay.log()), relay.log()[-2000:]
    return False


def state(relay, recovered):
    if recovered:
        return "recovered"
    return f"ended with {relay.process.returncode}"


def end(relay):
    """Kills the relay, if it has not ended by itself; not by a signal, then."""
    if relay.running():
        relay.process.send_signal(signal.SIGKILL)
        relay.process.wait()
    else:
        assert not relay.crashed(), relay.log()[-2000:]
    relay.check_log()


def hold(internet):
    """As it was before check_all_delivered()."""
    internet.set(f"{HELD} rcpt=451_4.7.1_later")


def check_all_delivered(relay, internet, acknowledged):
    """A start without faults brings everything to its end."""
    relay.variables = {}
    relay.start()
    internet.set(f"{HELD} rcpt=ok")
    relay.wait_queue_empty()
    check_nothing_lost(acknowledged, received_counts(internet))
    assert "quarantine" not in relay.log(), "mail was quarantined"
