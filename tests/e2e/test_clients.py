"""Programs people have: curl, msmtp, swaks and smtplib in the ways the other tests do not use them."""

import smtplib
import ssl
import subprocess
import warnings

import pytest

from relay_process import PASSWORD, USER
from submission import SENDER, connect, message, send, swaks

BODY = b"A line.\r\n.A dot in front.\r\n\r\nThe end.\r\n"


def assert_received(internet, recipient, content, tls_name=None):
    (received,) = internet.wait_received(recipient)
    assert received.behind_trace == content
    if tls_name is not None:
        assert (tls_name in received.trace) and b"with ESMTPSA" in received.trace
    return received


def curl(relay, url, file, recipients, *arguments, ok=True):
    command = ["curl", "--silent", "--show-error", "--max-time", "60", "--url", url, "--cacert",
               str(relay.certificate.chain), "--mail-from", SENDER, "--upload-file", str(file), *arguments]
    for recipient in recipients:
        command += ["--mail-rcpt", recipient]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    assert (done.returncode == 0) == ok, done.stderr
    return done.stderr


@pytest.fixture
def letter(directory):
    """letter(content): a file with it."""
    def make(content):
        file = directory("letter") / "letter.eml"
        file.write_bytes(content)
        return file
    return make


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("mode", ["submission", "submissions"])
def test_curl(relay, internet, letter, mode, mechanism):
    content = message(BODY)
    scheme = "smtp" if mode == "submission" else "smtps"
    curl(relay, f"{scheme}://localhost:{relay.ports[mode]}/app.client.test", letter(content),
         ["ann@one.test", "bob@two.test"], "--ssl-reqd", "--user", f"{USER}:{PASSWORD}",
         "--login-options", f"AUTH={mechanism}", "--ipv4")
    for recipient in ("ann@one.test", "bob@two.test"):
        assert_received(internet, recipient, content, b"TLSv1.3")


def test_curl_on_the_trusted_listener(relay, internet, letter):
    content = message(BODY)
    curl(relay, f"smtp://127.0.0.1:{relay.ports['trusted']}/app.client.test", letter(content), ["ann@one.test"])
    assert_received(internet, "ann@one.test", content)


def test_curl_with_a_wrong_password_is_told(relay, letter):
    said = curl(relay, f"smtps://localhost:{relay.ports['submissions']}", letter(message()), ["ann@one.test"],
                "--user", f"{USER}:wrong", "--ipv4", ok=False)
    assert "Login denied" in said


def test_curl_sends_a_large_message(relay, internet, letter):
    content = message(b"0123456789abcdef" * 4 + b"\r\n" + (b"x" * 70 + b"\r\n") * 30000)
    curl(relay, f"smtps://localhost:{relay.ports['submissions']}", letter(content), ["ann@one.test"],
         "--user", f"{USER}:{PASSWORD}", "--ipv4")
    assert_received(internet, "ann@one.test", content)


@pytest.mark.parametrize("auth", ["plain", "login", "on"])
@pytest.mark.parametrize(("mode", "starttls"), [("submission", "on"), ("submissions", "off")])
def test_msmtp(relay, internet, mode, starttls, auth):
    content = message(BODY)
    done = subprocess.run(
        ["msmtp", "--file=/dev/null", "--host=localhost", f"--port={relay.ports[mode]}", "--tls=on",
         f"--tls-starttls={starttls}", f"--tls-trust-file={relay.certificate.chain}", f"--auth={auth}",
         f"--user={USER}", f"--passwordeval=echo '{PASSWORD}'", f"--from={SENDER}", "--domain=app.client.test",
         "--timeout=60", "ann@one.test", "bob@one.test"],
        # msmtp reads lines as Unix programs write them.
        input=content.replace(b"\r\n", b"\n"), capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr
    received = assert_received(internet, "ann@one.test", content, b"TLSv1.3")
    assert received.recipients == ["ann@one.test", "bob@one.test"]


def test_msmtp_without_tls_on_the_trusted_listener(relay, internet):
    done = subprocess.run(["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={relay.ports['trusted']}",
                           "--tls=off", "--auth=off", f"--from={SENDER}", "--timeout=60", "ann@one.test"],
                          input=message(BODY).replace(b"\r\n", b"\n"), capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr
    internet.wait_received("ann@one.test")


def test_swaks_pipelines(relay, internet):
    swaks(relay, "--pipeline", "--to", "ann@one.test,bob@one.test,eve@two.test", mode="trusted")
    for recipient in ("ann@one.test", "bob@one.test", "eve@two.test"):
        internet.wait_received(recipient)


def test_swaks_uses_starttls_on_the_trusted_listener(relay, internet):
    transcript = swaks(relay, "--tls", "--tls-verify", "--tls-ca-path", relay.certificate.chain, "--to", "ann@one.test",
                       mode="trusted")
    assert "=== TLS started" in transcript
    internet.wait_received("ann@one.test")


def test_swaks_says_helo(relay, internet):
    swaks(relay, "--protocol", "SMTP", "--to", "ann@one.test", mode="trusted")
    (received,) = internet.wait_received("ann@one.test")
    assert b"with SMTP" in received.trace


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions(relay, internet, version):
    trust = ssl.create_default_context(cafile=relay.certificate.chain)
    trust.minimum_version = trust.maximum_version = version
    with smtplib.SMTP_SSL("127.0.0.1", relay.ports["submissions"], context=trust, timeout=60) as smtp:
        smtp.login(USER, PASSWORD)
        send(smtp, "ann@one.test")
    (received,) = internet.wait_received("ann@one.test")
    assert version.name.replace("_", ".").encode() in received.trace


def test_old_tls_is_refused(relay):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        smtplib.SMTP_SSL("127.0.0.1", relay.ports["submissions"], context=old, timeout=60)


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_login_with_and_without_an_initial_response(relay, mechanism, initial):
    with connect(relay, login=False) as smtp:
        smtp.user, smtp.password = USER, PASSWORD
        code, _ = smtp.auth(mechanism, getattr(smtp, "auth_" + mechanism.lower()), initial_response_ok=initial)
        assert code == 235


def test_smtplib_sends_many_messages_on_one_connection(relay, internet):
    with connect(relay) as smtp:
        for number in range(20):
            refused = smtp.sendmail(SENDER, [f"r{number}@one.test", f"r{number}@two.test"],
                                    message().decode())
            assert refused == {}
    internet.wait_received(count=40)


def test_smtplib_goes_on_after_rset(relay, internet):
    with connect(relay) as smtp:
        smtp.mail(SENDER)
        smtp.rcpt("dropped@one.test")
        assert smtp.rset()[0] == 250
        send(smtp, "ann@one.test")
        assert smtp.noop()[0] == 250 and smtp.help()
        assert smtp.vrfy("ann@one.test")[0] in (250, 252, 502)
    internet.wait_received("ann@one.test")
    assert internet.stats()["recipients"] == 1


def test_addresses_with_unicode_need_smtputf8(relay, internet):
    with connect(relay) as smtp:
        assert smtp.has_extn("smtputf8") and smtp.has_extn("8bitmime")
        assert smtp.docmd("MAIL", f"FROM:<{SENDER}>")[0] == 250
        smtp.command_encoding = "utf-8"
        assert smtp.docmd("RCPT", "TO:<grün@one.test>")[0] in (501, 550, 553)
        smtp.rset()
        smtp.command_encoding = "utf-8"  # rset() takes it back
        assert smtp.docmd("MAIL", f"FROM:<{SENDER}> SMTPUTF8")[0] == 250
        assert smtp.docmd("RCPT", "TO:<grün@one.test>")[0] == 250
        assert smtp.data(message())[0] == 250
    internet.wait_received("grün@one.test")
