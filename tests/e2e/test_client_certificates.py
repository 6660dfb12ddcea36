"""Logins with a client's certificate (AUTH EXTERNAL): who gets in, as whom, and who does not."""

import base64
import shutil
import smtplib
import ssl
import subprocess

import pytest

from relay_process import RUN_AS, USER, is_root
from submission import send

HOLDER = "holder"


@pytest.fixture(scope="session")
def client_certificates(scratch):
    """(the authority's file, issue(name, subjects)): certificates that it signed for clients."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)

    directory = scratch / "clients"
    directory.mkdir()
    authority, authority_key = directory / "ca.pem", directory / "ca-key.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-days", "30", "-subj", "/CN=clients", "-keyout", authority_key, "-out", authority)

    def issue(name, subjects):
        chain, key, request = (directory / f"{name}{suffix}" for suffix in (".pem", "-key.pem", ".csr"))
        extensions = directory / f"{name}.cnf"
        extensions.write_text(f"subjectAltName={subjects}\nextendedKeyUsage=clientAuth\n")
        openssl("req", "-new", *curve, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-days",
                "30", "-extfile", extensions, "-out", chain)
        return chain, key

    if is_root():
        shutil.chown(authority, RUN_AS)
    return authority, issue


@pytest.fixture
def known(client_certificates):
    return client_certificates[1]("known", "DNS:App1.client.test,email:app@client.test")


@pytest.fixture
def new_certificate_relay(new_relay, internet, client_certificates):
    def make(certificates, required=False, users=()):
        listeners = [{"address": "127.0.0.1:0", "mode": mode, "client_ca": str(client_certificates[0]),
                      "client_certificate_required": required} for mode in ("submission", "submissions")]
        relay = new_relay(internet, start=False, listener=listeners)
        relay.sections["user"].append({"name": HOLDER, "certificates": certificates, "senders": ["client.test"]})
        relay.sections["user"] += users
        relay.write_config()
        return relay.start()
    return make


def connect(relay, identity=None, mode="submission"):
    context = ssl.create_default_context(cafile=relay.certificate.chain)
    if identity:
        context.load_cert_chain(*identity)
    if mode == "submissions":
        smtp = smtplib.SMTP_SSL("127.0.0.1", relay.ports[mode], context=context, timeout=60)
    else:
        smtp = smtplib.SMTP("127.0.0.1", relay.ports[mode], timeout=60)
        smtp.starttls(context=context)
    smtp.ehlo("app.client.test")
    return smtp


def external(smtp, identity=""):
    return smtp.docmd("AUTH", "EXTERNAL " + (base64.b64encode(identity.encode()).decode() or "="))


@pytest.mark.parametrize("mode", ["submission", "submissions"])
@pytest.mark.parametrize("name", ["dns:app1.client.test", "email:app@client.test"])
def test_a_certificate_is_a_login(new_certificate_relay, internet, known, mode, name):
    relay = new_certificate_relay([name])
    with connect(relay, known, mode) as smtp:
        assert "EXTERNAL" in smtp.esmtp_features["auth"].split()
        assert external(smtp) == (235, b"2.7.0 Authentication successful")
        queue_id = send(smtp, "ann@one.test")
        assert smtp.mail("x@other.test")[0] == 550  # what the user may do holds all the same
    assert relay.journal(event="accepted", id=queue_id)[0]["user"] == HOLDER
    internet.wait_received("ann@one.test")


def test_by_its_fingerprint(new_certificate_relay, known):
    said = subprocess.run(["openssl", "x509", "-in", known[0], "-noout", "-fingerprint", "-sha256"],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    fingerprint = said.strip().split("=")[1].replace(":", "").lower()
    relay = new_certificate_relay(["sha256:" + fingerprint])
    with connect(relay, known) as smtp:
        assert external(smtp, HOLDER)[0] == 235


def test_in_nobody_elses_name(new_certificate_relay, known):
    relay = new_certificate_relay(["dns:app1.client.test"], users=[{"name": "shy", "certificates": ["dns:x.test"]}])
    with connect(relay, known) as smtp:
        assert external(smtp, USER) == (535, b"5.7.8 The client's certificate is not that of this user")
        assert smtp.mail("news@client.test")[0] == 530
    with connect(relay, known) as smtp:
        assert external(smtp, "shy")[0] == 535
    with connect(relay, known) as smtp:  # no password is that of an account without one
        assert smtp.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0holder\0").decode())[0] == 535


def test_of_two_holders_one_must_be_named(new_certificate_relay, known):
    relay = new_certificate_relay(["dns:app1.client.test"],
                                  users=[{"name": "twin", "certificates": ["email:app@client.test"]}])
    with connect(relay, known) as smtp:
        assert external(smtp)[0] == 535
        assert external(smtp, "twin")[0] == 235


def test_it_is_offered_only_where_it_can_be_used(new_certificate_relay, client_certificates, certificate, known):
    relay = new_certificate_relay(["dns:app1.client.test"])
    strangers = client_certificates[1]("stranger", "DNS:stranger.test")
    for identity in (None, strangers, certificate):  # none; good and nobody's; of another authority
        with connect(relay, identity) as smtp:
            assert "EXTERNAL" not in smtp.esmtp_features["auth"].split()
            assert external(smtp)[0] == 504
    with connect(relay, known) as smtp:
        assert smtp.esmtp_features["auth"].split() == ["PLAIN", "LOGIN", "EXTERNAL"]


def test_where_one_is_required_nobody_comes_in_without(new_certificate_relay, known, certificate):
    relay = new_certificate_relay(["dns:app1.client.test"], required=True)
    for identity in (None, certificate):
        with pytest.raises((ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError)):
            connect(relay, identity)
    with connect(relay, known) as smtp:
        assert external(smtp)[0] == 235
    assert relay.metrics()['postrider_tls_handshakes_in_total{result="failed"}'] == 2
