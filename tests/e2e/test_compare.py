"""bench/compare keeps working: a smoke run against an unpacked Postfix.

Its figures are of no interest here; that it counts what it should, and says so where figures do not count, is."""

import copy
import json
import os
import pathlib
import subprocess
import sys
import xml.dom.minidom

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = ("base", "sync-1ms")
SHIM = pathlib.Path(os.environ["POSTRIDER_BIN_DIR"]) / "bench" / "libsync_shim.so"
sys.path.append(str(ROOT / "bench"))


def missing():
    if not SHIM.exists():
        return "the sync shim is not built; instrumented builds have none"
    from comparison import place
    return place.missing()


pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def comparison(scratch):
    """The ended process of a smoke run, the folder with its report, and its results."""
    done = subprocess.run([ROOT / "bench" / "compare", "--quick", "--folder", scratch / "compare", *SCENARIOS],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (scratch / "compare" / "results").iterdir()
    return done, folder, {name: json.loads((folder / f"{name}.json").read_text()) for name in SCENARIOS}


def test_everything_accepted_arrives_and_is_counted(comparison):
    for result in comparison[2].values():
        assert set(result["sides"]) == {"postrider", "postfix-tuned"}
        for side in result["sides"].values():
            (done,) = side["rounds"]
            assert done["delivered"] == done["accepted"] > 0 and done["lost"] == done["duplicates"] == 0
            assert done["cpu_user"] > 0 and done["cpu_system"] > 0 and done["pss_mib"] > 1
            assert done["syncs"] > 0 and side["system_calls"]["per_message"] > 1
            assert 0 < done["ack_us"]["p50"] <= done["ack_us"]["p99"]


def test_both_relays_wait_for_slower_syncs(comparison):
    for name, delayed in (("base", False), ("sync-1ms", True)):
        for side in comparison[2][name]["sides"].values():
            for done in side["rounds"]:
                assert (done["sync_counts"]["delayed"] > 0) == delayed


def test_the_report_says_what_it_is(comparison):
    done, folder, _ = comparison
    report = (folder / "REPORT.md").read_text()
    assert "smoke run" in report and "SMOKE RUN" in done.stdout
    for word in ("### base", "### sync-1ms", "Postfix, tuned", "smtpd_delay_reject", "## Caveats", "plots/latency.svg"):
        assert word in report
    for plot in (folder / "plots").iterdir():
        xml.dom.minidom.parse(str(plot))


def test_figures_that_do_not_count_are_named(comparison):
    from comparison.rounds import QUICK
    from comparison.scenario_run import problems
    from comparison.scenarios import BY_NAME
    scenario, good = BY_NAME["sync-1ms"], comparison[2]["sync-1ms"]
    assert problems(scenario, QUICK, good) == []

    def said(change):
        bad = copy.deepcopy(good)
        change(bad["sides"]["postrider"])
        return " ".join(problems(scenario, QUICK, bad))
    assert "lost" in said(lambda side: side["rounds"][0].update(lost=1))
    assert "twice" in said(lambda side: side["rounds"][0].update(duplicates=1))
    assert "no sync was delayed" in said(lambda side: side["rounds"][0]["sync_counts"].update(delayed=0))
    assert "sooner" in said(lambda side: side["rounds"][0]["ack_us"]["quantiles"].update({"0.001": 999}))
    assert "passed the shim" in said(lambda side: side["system_calls"].update(syncs_seen_by_shim=0))
    assert "past the shim" in said(lambda side: side["system_calls"].update(synchronous_opens=1))


def test_what_was_run_is_not_run_again(comparison, scratch):
    before = {file: file.stat().st_mtime_ns for file in comparison[1].glob("*.json")}
    done = subprocess.run([ROOT / "bench" / "compare", "--quick", "--folder", scratch / "compare", *SCENARIOS],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "there is a result" in done.stdout
    assert before == {file: file.stat().st_mtime_ns for file in comparison[1].glob("*.json")}


def test_wrong_usage(scratch):
    done = subprocess.run([ROOT / "bench" / "compare", "no-such-scenario"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--list" in done.stderr
