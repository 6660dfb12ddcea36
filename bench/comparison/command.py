"""The command line of bench/compare."""

import argparse
import dataclasses
import pathlib
import subprocess
import sys

from comparison import place, results
from comparison.place import ROOT
from comparison.scenarios import BY_NAME, SCENARIOS

DESCRIPTION = """\
Compares postrider with Debian's Postfix, tuned as bench/README.md says, on this machine: both take mail from the same
load generator and deliver it to the same simulated internet, in turns, in a network namespace of their own. Without a
scenario's name: the six headline ones, in at most 40 minutes. Needs root. Installs the packages it needs, and builds;
Postfix is only unpacked, below build/. What is done is kept: a run that was broken off goes on where it stopped.
Writes bench/REPORT.md and bench/plots from all results of this commit and machine."""
EPILOGUE = "Exit status: 0 all figures count, 1 some do not (it says why), 2 wrong usage."


def parse(arguments):
    parser = argparse.ArgumentParser("bench/compare", description=DESCRIPTION, epilog=EPILOGUE,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", help="names from --list")
    parser.add_argument("--list", action="store_true", help="names the scenarios")
    parser.add_argument("--full", action="store_true", help="all scenarios, and default Postfix in the headline ones")
    parser.add_argument("--quick", action="store_true",
                        help="one round of a few seconds each: shows that it works, its figures say nothing")
    parser.add_argument("--again", action="store_true", help="runs what there is a result of, too")
    parser.add_argument("--rounds", type=int, metavar="N", help="of each relay in a scenario (5)")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "compare", metavar="DIR",
                        help="where the results are, and the queues of the relays: on the disk to measure "
                             "(build/compare)")
    parser.add_argument("--report", action="store_true", help="runs nothing: makes the report of what there is")
    options = parser.parse_args(arguments)
    options.folder = options.folder.absolute()
    for name in options.scenario:
        if name not in BY_NAME:
            parser.error(f"there is no scenario {name}; --list names them")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds: at least 1")
    return options


def chosen(options):
    if options.scenario:
        return [BY_NAME[name] for name in options.scenario]
    return [scenario for scenario in SCENARIOS if options.full or scenario.headline]


def build():
    """Installs and builds, and unpacks Postfix: what needs the network, before there is none."""
    if place.GIVEN_BUILD:
        print(f"uses the build in {place.BIN} as it stands")
    else:
        subprocess.run([ROOT / "deploy" / "packages", "bench"], check=True)
        subprocess.run([ROOT / "deploy" / "build", "release", "postrider", "postrider-sim", "postrider-load",
                        "sync_shim"], check=True)
    from unpacked_package import unpacked
    unpacked("postfix")


def run(options, store):
    """Runs what there is no result of yet."""
    from comparison import rounds, scenario_run
    extent = rounds.QUICK if options.quick else rounds.Extent()
    if options.rounds:
        extent = dataclasses.replace(extent, rounds=options.rounds)
    place.prepare()
    if not options.quick and store.load("kill") is None:
        store.save("kill", scenario_run.kill_test())
    with place.work_folder(options.folder) as work:
        certificate = place.make_certificate(work)
        for scenario in chosen(options):
            if store.load(scenario.name) is not None and not options.again:
                print(f"== {scenario.name}: there is a result; --again replaces it")
                continue
            store.save(scenario.name, scenario_run.run(work, scenario, extent, options.full, certificate))


def main(arguments):
    options = parse(arguments)
    if options.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:16}{'*' if scenario.headline else ' '} {scenario.what}")
        print("* headline")
        return 0
    from comparison import report
    if options.report:
        return report.write(results.Store(options.folder, options.quick), chosen(options))
    if not place.inside():
        try:
            if (reason := place.missing()) is not None:
                raise AssertionError(reason)
            build()
        except (AssertionError, subprocess.CalledProcessError) as error:
            print(f"bench/compare: {error}", file=sys.stderr)
            return 1
        sys.stdout.flush()
        place.enter(arguments)
    store = results.Store(options.folder, options.quick)
    try:
        run(options, store)
    except (RuntimeError, AssertionError, OSError, subprocess.SubprocessError) as error:
        print(f"bench/compare: {error}", file=sys.stderr)
        report.write(store, chosen(options))
        return 1
    return report.write(store, chosen(options))
