"""Every source file has its unit test, tests/unit/<path>_test.cc, or a reason why not in the list below."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What is tested elsewhere, and where.
ELSEWHERE = {
    "relay/main.cc": "tests/e2e: the binary itself",
    "relay/auth/scram_parts.cc": "scram_test, scram_client_test: the example of the RFC, from both sides",
    "relay/admin/explanation_json.cc": "explain_view_test: what is shown is made from it",
    "relay/tool/admin_target.cc": "queue_command_test: who is asked",
    "relay/tool/explain_command.cc": "tests/e2e/test_explain.py: with a relay and without",
    "relay/tls/failure_text.cc": "engine_test, context_test: every error text",
    "relay/tls/openssl.cc": "engine_test, context_test",
    "relay/tls/peer_names.cc": "client_certificate_test",
    "relay/tls/pem.cc": "context_test: files that are missing, unreadable, no PEM",
    "relay/tls/wire.cc": "engine_test: any split of the bytes",
    "queue/admission.cc": "queue_test, open_body_test: what each limit refuses; store_failure_test: a write that hangs",
    "queue/commit_encode.cc": "committer_test, model_test, record_test",
    "queue/commit_suspend.cc": "admin_plan_test: suspensions",
    "queue/core.cc": "committer_test, reader_test, queue_test",
    "queue/lease.cc": "committer_test: leases",
    "queue/queue_metrics.cc": "committer_test: limits and ends are counted; admin_plan_test: changes",
    "queue/recovery.cc": "model_test, queue_test: reopening; rebuild_test: after a repair",
    "queue/rocks_database.cc": "rocks_store_test, disk_full_test: through the port",
    "queue/selection.cc": "reader_test: selectors",
    "relay/admin/parameters.cc": "routes_test: through the routes",
    "dns/caching_resolver.cc": "ares_resolver_test: through the real resolver",
    "dns/lookups.cc": "ares_resolver_test: through the real resolver",
    "dns/packet_reader.cc": "wire_test",
}


def main():
    problems = []
    for top in ("relay", "queue", "dns", "metrics"):
        for source in sorted((ROOT / top).rglob("*.cc")):
            name = source.relative_to(ROOT).as_posix()
            test = ROOT / "tests/unit" / (name[: -len(".cc")] + "_test.cc")
            if test.exists() == (name in ELSEWHERE):
                problems.append(f"{name}: has a test and an excuse" if test.exists() else
                                f"{name}: no {test.relative_to(ROOT)}, and no reason in tests/tidy/mirror.py")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
