"""Plays the transcripts in which the server is tested against the live relay, as its client."""

import re
import signal
import socket
import ssl

from live_wire import Differs, Wire
from transcripts import matches, octets, pieces, seconds, unescape
from waiting import let_pass

CLOCK = 60  # a minute of a transcript is a second here; no timeout of the relay can be shorter than a second
TIMEOUTS = {"idle_timeout": 300, "login_deadline": 300, "command_deadline": 60, "data_deadline": 1800,
            "data_rate_window": 60}
RATES = ("data_rate_min",)
SPANS = ("future_release_max",)  # of seconds, and not timeouts: as they are
OPTIONS = {"messages_max": "messages_per_connection_max"}  # of [submission], where the name is another
POSTMASTER = "postmaster@d.test"


def needs(dialog):
    """What the relay of this dialog must be set to; dialogs with the same needs share a relay."""
    return (tuple(sorted(dialog.all("limit"))), tuple(dialog.all("deny")), dialog.setting("certificate", "yes"),
            dialog.setting("holder"), dialog.has("WAIT"), dialog.title if dialog.has("SHUTDOWN") else None)


def settings(dialog):
    """The sections of the configuration that `needs` asks for."""
    submission = {"postmaster": POSTMASTER, "connections_per_client_max": 1000}
    if dialog.has("WAIT"):
        submission |= {name: f"{value // CLOCK}s" for name, value in TIMEOUTS.items()}
    for limit in dialog.all("limit"):
        name, _, value = limit.partition("=")
        submission[OPTIONS.get(name, name)] = (f"{int(value) // CLOCK}s" if name in TIMEOUTS else
                                               f"{value}s" if name in SPANS else
                                               int(value) * CLOCK if name in RATES else int(value))
    sections = {"server": {"host_name": "relay.test", "log_level": "debug"}, "submission": submission,
                "user": [{"name": "alice", "password": "secret"}],
                # One relay plays many dialogs whose logins fail.
                "auth": {"failures_free": 0}}
    if any(deny.startswith("commit 452 4.3.1") for deny in dialog.all("deny")):
        sections["queue"] = {"disk_reserve": "1000TiB"}
    if dialog.setting("certificate") == "no":
        sections["listener"] = [{"address": "127.0.0.1:0", "mode": "trusted"}]
    return sections


class Message:
    """A message that the relay took, and what the transcript says of it."""

    def __init__(self, dialog, line, queue_id, text):
        self.dialog, self.line, self.id, self.text = dialog, line, queue_id, text
        self.route = line.text.replace("<postmaster>", f"<{POSTMASTER}>")

    def check_route(self, records):
        route = " ".join([f"<{records[0]['sender']}>", *(f"<{record['recipient']}>" for record in records)])
        if unescape(self.route) != route:
            raise Differs(self.dialog, self.line, f"the message is of {route}")

    def check_text(self, text):
        if self.text is not None and self.dialog.setting("listener", "submission") != "trusted":
            # What a submitted message lacks is put in front of it (RFC 6409 section 8).
            for name in (b"Date", b"Message-ID"):
                if not re.search(rb"(?mi)^" + name + rb":", self.text):
                    text = re.sub(rb"\A" + name + rb": [^\r\n]*\r\n", b"", text)
        if self.text is not None and self.text != text:
            raise Differs(self.dialog, self.line, f"the message reads {text!r}")


class ServerPlay:
    """One dialog on one connection. chance: where it comes from, the bytes go out in random pieces."""

    def __init__(self, dialog, relay, source, chance=None):
        self.dialog, self.relay, self.chance = dialog, relay, chance
        self.context = ssl.create_default_context(cafile=relay.certificate.chain)
        self.context.check_hostname = False
        if dialog.setting("holder"):
            self.context.load_cert_chain(relay.certificate.chain, relay.certificate.key)
        self.mode = dialog.setting("listener", "submission")
        link = socket.create_connection(("127.0.0.1", relay.ports[self.mode]), timeout=30, source_address=(source, 0))
        self.peer = "{}:{}".format(*link.getsockname())
        self.wire = Wire(link)
        self.whole = False
        self.closed = False
        self.queued = []  # ids the relay spoke of, not yet named by an M: line
        self.messages = []
        self.reason = (None, "peer_closed")  # the line that says why the relay closes, and why

    def run(self):
        """Raises Differs. Afterwards `messages` and `reason` hold what can only be seen elsewhere."""
        try:
            if self.mode == "submissions":
                self.wire.start_tls(self.context)
            lines = list(self.dialog.lines)
            while lines:
                self.play(lines)
            self.check_end()
        finally:
            self.wire.close()
        return self

    def play(self, lines):
        line = lines[0]
        if line.mark in ("C:", "C<"):
            return self.send(self.take(lines, "C:", "C<"))
        lines.pop(0)
        if line.mark == "S:":
            self.expect(line)
        elif line.mark == "M:":
            self.note_message(line, self.take(lines, "|"))
        else:
            getattr(self, "on_" + line.mark.lower())(line)

    @staticmethod
    def take(lines, *marks):
        taken = []
        while lines and lines[0].mark in marks:
            taken.append(lines.pop(0))
        return taken

    def send(self, lines):
        if self.wire.pending():
            raise Differs(self.dialog, lines[0], f"unexpected: {self.wire.buffer!r}")
        data = octets(lines)
        self.wire.send([data] if self.whole or not self.chance else pieces(data, self.chance))
        self.whole = False

    def expect(self, line):
        whole_reply = re.fullmatch(r"\d{3}", line.text)
        came = self.wire.reply() if whole_reply else [self.wire.line()]
        good = came and None not in came and all(
            text.startswith(line.text) if whole_reply else matches(line.text, text) for text in came)
        if not good:
            raise Differs(self.dialog, line, f"expected {line.text!r}, came {came}")
        self.queued += re.findall(r"^250 .*queued as (\w+)", came[-1])

    def note_message(self, line, text):
        if not self.queued:
            raise Differs(self.dialog, line, "no message was accepted")
        self.messages.append(Message(self.dialog, line, self.queued.pop(0), octets(text) if text else None))

    def on_whole(self, line):
        self.whole = True

    def on_tls(self, line):
        try:
            self.wire.start_tls(self.context)
        except OSError as error:
            raise Differs(self.dialog, line, f"no TLS: {error}") from None

    def on_wait(self, line):
        let_pass(seconds(line.text) / CLOCK)

    def on_eof(self, line):
        self.wire.end_input()

    def on_shutdown(self, line):
        self.relay.process.send_signal(signal.SIGTERM)

    def on_closed(self, line):
        rest = self.wire.rest()
        if rest is None:
            raise Differs(self.dialog, line, "the session is still open")
        if rest:
            raise Differs(self.dialog, line, f"unexpected: {rest!r}")
        self.closed = True
        self.reason = (line, line.text)

    def check_end(self):
        if self.queued:
            raise Differs(self.dialog, None, f"the relay took a message that the transcript does not know: {self.queued}")
        if self.closed:
            return
        rest = self.wire.close_orderly()
        if rest != b"":
            raise Differs(self.dialog, None, f"unexpected: {rest!r}")

    def check_reason(self, log):
        """Whether the log tells why the relay closed: it writes a few lines of a kind in a second, and not all."""
        found = re.findall(rf" closing peer={re.escape(self.peer)} reason=(\w+)", log)
        line, reason = self.reason
        if found and reason and found != [reason]:
            raise Differs(self.dialog, line, f"closed for {found}, not for {reason}")
        return bool(found)


def spawn(new_relay, internet, dialog):
    """A relay for this dialog and those with the same needs, not yet ready."""
    relay = new_relay(internet, start=False, **settings(dialog))
    if dialog.setting("certificate") == "no":
        del relay.sections["tls"]
        relay.write_config()
    if dialog.setting("holder"):  # shows the relay's own certificate, which is its own authority
        for listener in relay.sections["listener"]:
            if listener["mode"] != "trusted":
                listener["client_ca"] = str(relay.certificate.chain)
        (user,) = relay.sections["user"]
        user["certificates"] = ["dns:relay.client.test"]
        relay.write_config()
    relay.spawn()
    return relay
