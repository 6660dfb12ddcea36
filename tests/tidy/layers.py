"""Compares every #include with the layer table in relay/ARCHITECTURE.md.

Also: every module folder has a row and a charter (the comment that opens its CMakeLists.txt), and modules of
one rank never include each other.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# How a third-party library shows in an include line. Everything else in <> is the standard library or the system.
LIBRARIES = {
    "tl": r"tl/",
    "fmt": r"fmt/",
    "idn2": r"idn2\.h",
    "uv": r"uv\.h",
    "prometheus": r"prometheus/",
    "openssl": r"openssl/",
    "crypt": r"crypt\.h",
    "zlib": r"zlib\.h",
    "rocksdb": r"rocksdb/",
    "ares": r"ares(_[a-z]+)?\.h",
    "httplib": r"httplib\.h",
    "nlohmann": r"nlohmann/",
    "toml++": r"toml\+\+/|toml\.hpp",
    "CLI": r"CLI/",
    "cap-ng": r"cap-ng\.h",
    "benchmark": r"benchmark/",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


def read_table():
    text = (ROOT / "relay/ARCHITECTURE.md").read_text()
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0].isdigit():
            rows[cells[1]] = (int(cells[0]), cells[2].split(), cells[3].split())
    return rows


def module_of(path, modules):
    """The longest module name that is a folder above `path`."""
    best = ""
    for module in modules:
        if path.startswith(module + "/") and len(module) > len(best):
            best = module
    return best


def sources():
    for top in ("relay", "queue", "dns", "metrics", "bench"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield path


def check_file(path, rows, problems):
    name = path.relative_to(ROOT).as_posix()
    module = module_of(name, rows)
    if not module:
        problems.append(f"{name}: its folder has no row in the layer table of relay/ARCHITECTURE.md")
        return
    rank, allowed, libraries = rows[module]
    for own, foreign in INCLUDE.findall(path.read_text()):
        if own:
            target = module_of(own, rows)
            if not (ROOT / own).exists():
                problems.append(f'{name}: "{own}" is not a path from the repository root')
            elif target == module or target in allowed or allowed == ["*"]:
                pass
            else:
                problems.append(f"{name}: {module} may not include {target} ({own})")
        for library, pattern in LIBRARIES.items():
            if foreign and re.match(pattern, foreign) and library not in libraries:
                problems.append(f"{name}: {module} may not include {library} (<{foreign}>)")


def check_ranks(rows, problems):
    for module, (rank, allowed, _) in rows.items():
        for other in allowed:
            if other == "*":
                continue
            if other not in rows:
                problems.append(f"layer table: {module} names {other}, which has no row")
            elif rows[other][0] > rank or (rows[other][0] == rank and rank < 6):
                problems.append(f"layer table: {module} (rank {rank}) may not include {other} "
                                f"(rank {rows[other][0]})")


def check_charters(rows, problems):
    for module in rows:
        build = ROOT / module / "CMakeLists.txt"
        if not build.exists():
            problems.append(f"{module}: has a row in the layer table and no CMakeLists.txt")
        elif not build.read_text().startswith("# "):
            problems.append(f"{module}/CMakeLists.txt: does not open with its charter")


def main():
    rows = read_table()
    problems = []
    if len(rows) < 15:
        problems.append("relay/ARCHITECTURE.md: the layer table was not found")
    check_ranks(rows, problems)
    check_charters(rows, problems)
    count = 0
    for path in sources():
        count += 1
        check_file(path, rows, problems)
    for problem in problems:
        print(problem)
    print(f"{count} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
