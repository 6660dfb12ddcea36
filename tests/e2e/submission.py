"""Clients: Python's smtplib and swaks, and the messages they send."""

import itertools
import re
import smtplib
import ssl
import subprocess

from relay_process import PASSWORD, USER

SENDER = "news@client.test"
numbers = itertools.count(1)


def message(body=b"Hello.\r\n", subject="A message", sequence=None):
    """A message with CRLF lines; sequence: its X-Sequence, which the simulated MX hosts note."""
    header = (f"From: <{SENDER}>\r\nSubject: {subject}\r\nX-Sequence: {sequence or next(numbers)}\r\n"
              "Message-ID: <1@client.test>\r\nDate: Mon, 06 Jan 2025 10:00:00 +0000\r\n\r\n")
    return header.encode() + body


def connect(relay, mode="submission", login=True):
    """An smtplib session with the relay, over the TLS the listener wants, logged in where it wants that."""
    trust = ssl.create_default_context(cafile=relay.certificate.chain)
    if mode == "submissions":
        smtp = smtplib.SMTP_SSL("127.0.0.1", relay.ports[mode], context=trust, timeout=60)
    else:
        smtp = smtplib.SMTP("127.0.0.1", relay.ports[mode], timeout=60)
    if mode == "submission":
        smtp.starttls(context=trust)
    smtp.ehlo("app.client.test")
    if login and mode != "trusted":
        smtp.login(USER, PASSWORD)
    return smtp


class Refused(Exception):
    def __init__(self, stage, code, text):
        super().__init__(f"{stage}: {code} {text}")
        self.stage, self.code, self.text = stage, code, text


def expect(stage, answer, *codes):
    code, text = answer
    if code not in codes:
        raise Refused(stage, code, text.decode(errors="replace"))
    return text.decode(errors="replace")


def queue_id(reply):
    return re.search(r"queued as (\w+)", reply)[1]


def send(smtp, recipients, content=None, sender=SENDER, mail_options=(), rcpt_options=()):
    """One transaction; returns the queue id, or raises Refused."""
    content = message() if content is None else content
    if any(byte > 127 for byte in content):
        mail_options = (*mail_options, "BODY=8BITMIME")
    expect("mail", smtp.mail(sender, mail_options), 250)
    for recipient in [recipients] if isinstance(recipients, str) else recipients:
        expect("rcpt", smtp.rcpt(recipient, rcpt_options), 250)
    try:
        answer = smtp.data(content)
    except smtplib.SMTPDataError as refused:
        raise Refused("data", refused.smtp_code, refused.smtp_error.decode(errors="replace")) from None
    return queue_id(expect("dot", answer, 250))


def submit(relay, recipients, content=None, mode="trusted", **options):
    """Connects, sends one message, quits; returns the queue id."""
    with connect(relay, mode) as smtp:
        return send(smtp, recipients, content, **options)


def swaks(relay, *arguments, mode="submission", ok=True):
    """Runs swaks against a listener; returns its transcript."""
    done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(relay.ports[mode]), "--from", SENDER,
                           "--ehlo", "app.client.test", *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    transcript = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, transcript
    return transcript
