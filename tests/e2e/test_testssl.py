"""testssl.sh on the ports with TLS: nothing above LOW but what a private authority causes."""

import concurrent.futures
import json
import os
import shutil
import subprocess

import pytest

# A certificate of one's own has no public chain and no list of revoked ones; this one lives for a month.
OF_A_TEST_CERTIFICATE = {"cert_chain_of_trust", "cert_revocation", "cert_expirationStatus", "cert_notAfter"}
ABOVE_LOW = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}

TESTSSL = shutil.which("testssl") or shutil.which("testssl.sh")
pytestmark = [pytest.mark.skipif(TESTSSL is None, reason="testssl.sh is not installed"),
              pytest.mark.skipif("POSTRIDER_LONG" not in os.environ, reason="minutes long: only with --long")]


def findings(port, directory, *options):
    report = directory / f"{port}.json"
    done = subprocess.run([TESTSSL, "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "min", "--ip", "127.0.0.1",
                           "--jsonfile", report, *options, f"localhost:{port}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1200)
    assert report.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    found = json.loads(report.read_text())
    assert len(found) > 100, done.stdout[-4000:]  # it came through
    return found


def test_tls_of_all_ports(new_relay, internet, directory):
    relay = new_relay(internet, submission={"connections_per_client_max": 1000, "errors_max": 1000})
    out = directory("testssl")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = {mode: pool.submit(findings, relay.ports[mode], out, *options) for mode, options in (
            ("submission", ("--starttls", "smtp")), ("submissions", ()), ("trusted", ("--starttls", "smtp")))}
    bad = [f"{mode}: {found['severity']} {found['id']}: {found['finding']}" for mode, job in jobs.items()
           for found in job.result()
           if found["severity"] in ABOVE_LOW and found["id"].split(" ")[0] not in OF_A_TEST_CERTIFICATE]
    assert not bad, "\n".join(bad)
