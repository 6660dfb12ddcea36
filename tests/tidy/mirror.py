"""Every source file has its unit test, tests/unit/<path>_test.cc, or a reason why not in the list below."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What is tested elsewhere, and where.
ELSEWHERE = {
    "relay/main.cc": "tests/e2e: the binary itself",
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
