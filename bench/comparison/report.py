"""The report: tables and plots from the saved results of one commit and machine."""

import time

from comparison import figures, plots, postfix, syncs, tools
from comparison.figures import ACCEPTED, DELIVERED
from comparison.place import ROOT
from comparison.scenarios import BY_NAME, DEFAULT, POSTRIDER, SCENARIOS, SIDE_NAMES, TUNED, smtp_processes

COLUMNS = ("accepted/s", "delivered/s", "backlog at last 250", "CPU s per 1000 (user + system)", "MiB", "processes",
           "syncs per 1000", "system calls", "ack p50 / p99 ms")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def number(found, digits=0):
    return "-" if found is None else f"{found:,.{digits}f}"


def times(found):
    return "-" if found is None else f"{found:.1f}x"


def cell(result, side, key, digits=0, scale=1.0):
    found = figures.figure(result, side, key, scale)
    return "-" if found is None else found.text(digits)


def summary(results):
    """A row a scenario: postrider beside the better tuned Postfix."""
    rows = []
    for name, result in results.items():
        if BY_NAME[name].storm:
            continue
        other = figures.rival(result)
        cpu = figures.ratio(result, "cpu")
        rows.append([name, *(number(figures.median(result, side, key)) for key in (ACCEPTED, DELIVERED)
                             for side in (POSTRIDER, other)),
                     times(figures.ratio(result, ACCEPTED)), times(figures.ratio(result, DELIVERED)),
                     number(figures.median(result, POSTRIDER, "cpu"), 3),
                     number(figures.median(result, other, "cpu"), 2),
                     "-" if not cpu else f"1/{1 / cpu:.1f}", "no" if result["problems"] else "yes"])
    return table(("scenario", "accepted/s", "Postfix", "delivered/s", "Postfix", "accepted", "delivered",
                  "CPU s per 1000", "Postfix", "CPU", "counts"), rows)


def targets(results):
    rows = []
    for target in figures.TARGETS:
        reached = target.reached(results.get(target.scenario))
        if reached is None:
            continue
        verdict = ("beyond" if target.met(reached, target.beyond) else
                   "reached" if target.met(reached, target.target) else "missed")
        rows.append([target.what, target.scenario, target.show(target.target), target.show(target.beyond),
                     target.show(reached), verdict])
    return table(("figure", "scenario", "target", "beyond", "measured", ""), rows)


def detail(name, result):
    scenario = BY_NAME[name]
    text = f"### {name}: {scenario.what}\n\n"
    text += storm_table(result) if scenario.storm else load_table(result)
    if (other := figures.rival(result)) != TUNED:
        text += f"\nCompared with: {SIDE_NAMES[other]}, the faster of the two.\n"
    loop = result["sides"][POSTRIDER].get("open_loop")
    if loop:
        text += (f"\nOpen loop, {loop['rate']:,} messages/s for {loop['seconds']} s: the backlog "
                 f"{'did not grow' if loop['held'] else 'grew'} (at the end {(loop['backlog'] or ['-'])[-1]}); from "
                 f"due to 250 p50 {loop['message_us']['p50'] / 1000:.1f} ms, p99 "
                 f"{loop['message_us']['p99'] / 1000:.1f} ms.\n")
    for problem in result["problems"]:
        text += f"\n**Does not count:** {problem}.\n"
    return text


def load_table(result):
    rows = []
    for side, found in result["sides"].items():
        latency = " / ".join(number(figures.median(result, side, f"ack_us.{part}", 1e-3), 1) for part in ("p50", "p99"))
        rows.append([SIDE_NAMES[side], cell(result, side, ACCEPTED), cell(result, side, DELIVERED),
                     cell(result, side, "backlog_at_last_250"),
                     f"{cell(result, side, 'cpu', 3)}: {number(figures.median(result, side, 'cpu_user'), 3)} + "
                     f"{number(figures.median(result, side, 'cpu_system'), 3)}",
                     cell(result, side, "pss_mib"), cell(result, side, "processes"), cell(result, side, "syncs"),
                     number(figures.system_calls(result, side), 1), latency])
    text = table(("", *COLUMNS), rows)
    tools_cpu = [f"{SIDE_NAMES[side]} {number(figures.median(result, side, 'load_cpu'), 3)} and "
                 f"{number(figures.median(result, side, 'sim_cpu'), 3)}" for side in result["sides"]]
    counts = " and ".join(f"{side['rounds'][0]['accepted']:,}" for side in result["sides"].values())
    return (text + f"\nRounds: {len(result['sides'][POSTRIDER]['rounds'])} of each, of {counts} messages. CPU s per "
            f"1000 messages of load generator and MX hosts: {'; '.join(tools_cpu)}.\n")


def storm_table(result):
    rows = [[SIDE_NAMES[side], cell(result, side, "attempts_per_s"), cell(result, side, "cpu_per_1000_attempts", 3),
             cell(result, side, "drained_after_s", 1)] for side in result["sides"]]
    return table(("", "attempts/s", "CPU s per 1000 attempts", "all delivered, s after the storm"), rows)


def machine_text(store, results):
    where = store.machine
    began = min((result["began"] for result in results.values()), default=time.time())
    cpu_by = {side["cpu_by"] for result in results.values() for side in result["sides"].values() if "cpu_by" in side}
    calls_by = {side["system_calls"]["how"] for result in results.values() for side in result["sides"].values()
                if "system_calls" in side}
    return table(("", ""), [
        ["commit", store.commit], ["measured", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began))],
        ["processor", f"{where['processor']}, {where['cores']} cores, shared by relay, load generator and MX hosts"],
        ["memory", where["memory"]], ["kernel", where["kernel"]], ["disk of the queues", where["disk"]],
        ["compared", f"{tools.versions()}; Postfix {postfix.version()}"],
        ["CPU time by", ", ".join(sorted(cpu_by))], ["system calls by", ", ".join(sorted(calls_by)) or "-"]])


METHOD = """\
Each round starts the simulated internet and one relay anew with an empty queue, warms it up, sends so many messages
that the round takes a good 20 s from the first submission to the last delivery, and ends when everything accepted has
arrived: delivery is never paused. The relays take turns; the order turns round each time. Figures are medians, in
brackets the least and the most of the rounds. *delivered/s* counts from the first submission to the last delivery.
*Counts* says that nothing was lost or delivered twice, that a sync stood before every 250 and none went around the
library that counts them, that each of postrider's rounds saw four flushes of its store, and that it then held 90 % of
its delivered rate for a minute in open loop without its backlog growing. CPU is that of all processes of the relay;
memory the highest sum of their proportional sets (PSS)."""

CAVEATS = """\
- Other work shared the machine: rates swing by tens of percent within minutes, which is why the relays take turns and
  the ratio is what counts. CPU time per message swings less. Beside other work, the scheduler gives a relay of eighty
  processes a larger part of the cores than one of a few threads: rates then favour Postfix.
- A sync costs 0.1 ms on the disk this was developed on: next to nothing. The scenarios `sync-1ms` and `sync-5ms` stand
  for other disks, and syncs per 1000 messages for all.
- Load generator and MX hosts take their share of the same cores; their CPU time stands beside each table.
- The MX hosts are on loopback addresses: no network, no packet loss.
- With a backlog, no retry of it falls into a round, nor does Postfix' scan of its deferred queue every 300 s.
"""


def settings_text():
    base = BY_NAME["base"]

    class NoShim:
        variables = {}

    changed = {key: value for key, value in postfix.main_cf(TUNED, base, NoShim).items()
               if postfix.main_cf(DEFAULT, base, NoShim).get(key) != value}
    listed = ", ".join(f"`{key}={value}`" for key, value in changed.items())
    return (f"postrider: its defaults; a trusted listener, TLS as the scenario says, a journal, no admin port.\n\n"
            f"Postfix, default: Debian's, without chroot, queue and log on the same disk as postrider's.\n\n"
            f"Postfix, tuned (in `base`): {listed}; in master.cf at most {max(200, base.sessions)} smtpd (or as many "
            f"as there are sessions) and {smtp_processes(base)} smtp processes (or as many as sessions; "
            f"{smtp_processes(BY_NAME['latency'])} with slow hosts), and tlsproxy.\n\n"
            f"Both run with `{syncs.SHIM.name}` preloaded, which counts syncs and, in the sync scenarios, delays "
            f"them.\n")


def assemble(store, results, drawn):
    kill = store.load("kill")
    parts = ["# postrider beside Postfix\n",
             "Made by `bench/compare`; do not edit. README.md tells how to make it anew.\n"]
    if store.quick:
        parts.append("**A smoke run of a few seconds each: it shows that the comparison works, and its figures say "
                     "nothing.**\n")
    parts += [machine_text(store, results), "kill -9 under load, with the same build: " + (
        "not tried: no rate counts.\n" if kill is None else
        f"nothing lost ({'; '.join(kill['says'])}).\n" if kill["passed"] else "**mail was lost: no rate counts.**\n")]
    parts += ["## Against tuned Postfix\n", summary(results), "## Targets\n", targets(results)]
    parts += ["## Plots\n", *(f"![{title}](plots/{file})\n" for file, title in drawn)] if drawn else []
    parts += ["## Method\n", METHOD + "\n", "## Scenarios\n"]
    parts += [detail(name, result) for name, result in results.items()]
    parts += ["## Settings\n", settings_text(), "## Caveats\n", CAVEATS]
    return "\n".join(parts)


def write(store, scenarios):
    """Writes the report of all that is there, prints the summary; 0 where every figure of `scenarios` counts."""
    results = {scenario.name: result for scenario in SCENARIOS if (result := store.load(scenario.name))}
    if not results:
        print("bench/compare: there are no results of this commit and machine")
        return 1
    folder = store.folder if store.quick else ROOT / "bench"
    drawn = plots.draw(results, folder / "plots")
    (folder / "REPORT.md").write_text(assemble(store, results, drawn))
    print(("A SMOKE RUN: the figures say nothing.\n" if store.quick else "") + summary(results), end="")
    print(f"report: {folder / 'REPORT.md'}")
    wanted = [results.get(scenario.name) for scenario in scenarios]
    kill = store.load("kill")
    good = all(result and not result["problems"] for result in wanted) and (store.quick or (kill and kill["passed"]))
    return 0 if good else 1
