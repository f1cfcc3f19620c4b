"""From the runs of the table of classes to ratios, means by class, and whether the targets are met."""
import json
import math
import os
import statistics

# Times faster than QEMU's TCG, as the geometric mean of the class, for a machine of the host's architecture.
TARGETS = {"integer": 3, "branchy": 3.5, "calls": 3.5, "float": 10, "simd": 15, "crypto": 10, "memory": 2.5,
           "system": 2.5, "once": 4, "selfmod": 10, "programs": 6}
# Shares of native speed.
NATIVE_TARGETS = {"compute": 0.5, "simd": 0.8, "crypto": 0.8}
COMPUTE = ("integer", "branchy", "calls", "float", "simd", "crypto", "memory")
BOOT_TARGET = 0.6  # of QEMU's time
PEER = "qemu tcg"


class Goals:
    """Whom one contender is measured by, and what is to be reached: {class: times faster than the peer}."""

    def __init__(self, peer=PEER, faster=None, native=None, boot=BOOT_TARGET):
        self.peer, self.boot = peer, boot
        self.faster = TARGETS if faster is None else faster
        self.native = NATIVE_TARGETS if native is None else native


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values)) if values else None


def summarize(runs, cpu_time):
    """{name: {"boot_s": s, "workloads": {workload: {"class", "ns"}}}}: medians over the runs.

    cpu_time tells that processor time is what counts.
    """
    prefix = "cpu_" if cpu_time else ""
    summary = {}
    for name, listeners in runs.items():
        boots = [listener.boot[f"{prefix}s"] for listener in listeners if listener.boot]
        workloads = {}
        for workload in dict.fromkeys(w for listener in listeners for w in listener.measures):
            found = [listener.measures[workload] for listener in listeners if workload in listener.measures]
            workloads[workload] = {"class": found[0]["class"],
                                   "ns": statistics.median(measure[f"{prefix}ns"] for measure in found)}
        summary[name] = {"boot_s": statistics.median(boots) if boots else None, "workloads": workloads,
                         "problems": listeners[0].problems}
    return summary


class Ratios:
    """One contender beside native and beside the peer."""

    def __init__(self, summary, name, goals=None):
        self.goals = goals or Goals()
        self.name, self.peer = name, self.goals.peer
        native, own = summary["native"]["workloads"], summary[name]["workloads"]
        peer = summary.get(self.peer, {"workloads": {}})["workloads"]
        self.boots = (summary[name]["boot_s"], summary.get(self.peer, {}).get("boot_s"))
        self.rows = []  # (class, workload, native ns, times slower, the peer's, times faster than the peer)
        for workload, measure in native.items():
            slower = own[workload]["ns"] / measure["ns"] if workload in own else None
            peers = peer[workload]["ns"] / measure["ns"] if workload in peer else None
            faster = peers / slower if slower and peers else None
            self.rows.append((measure["class"], workload, measure["ns"], slower, peers, faster))

    def mean(self, column, *classes):
        return geometric_mean([row[column] for row in self.rows if row[0] in classes and row[column]])

    def classes(self):
        return dict.fromkeys(row[0] for row in self.rows)

    def means(self):
        """{class: (times slower than native, the peer's, times faster than the peer, target)}."""
        return {name: (*(self.mean(column, name) for column in (3, 4, 5)), self.goals.faster.get(name))
                for name in self.classes()}

    def verdicts(self):
        """(what, measured, target, met) of all the targets that this run can tell about."""
        for name, (_, _, faster, target) in self.means().items():
            if faster and target:
                yield f"{name}: times faster than {self.peer}", faster, target, faster >= target
        for what, target in self.goals.native.items():
            parts = COMPUTE if what == "compute" else [what]
            slower = self.mean(3, *parts)
            if slower and set(parts) <= set(self.classes()):
                yield f"{what}: share of native", 1 / slower, target, 1 / slower >= target
        if all(self.boots):
            share = self.boots[0] / self.boots[1]
            yield f"boot: share of {self.peer}'s time", share, self.goals.boot, share <= self.goals.boot
        slow = sum(1 for row in self.rows if row[5] and row[5] < 1)
        if any(row[5] for row in self.rows):
            yield f"workloads slower than {self.peer}", slow, 0, slow == 0


def number(value, form):
    return format(value, form) if value is not None else "-"


def print_ratios(ratios):
    print(f"\n{'class':10}{'workload':16}{'native, ns':>12}{ratios.name:>16}{ratios.peer:>16}{'speed-up':>10}")
    for name, workload, native, slower, peers, faster in ratios.rows:
        mark = " slower" if faster and faster < 1 else ""
        print(f"{name:10}{workload:16}{native:12.2f}{number(slower, '16.2f'):>16}{number(peers, '16.2f'):>16}"
              f"{number(faster, '10.2f'):>10}{mark}")
    print(f"\n{'geometric means':38}{ratios.name:>16}{ratios.peer:>16}{'speed-up':>10}{'target':>8}")
    for name, (slower, peers, faster, target) in ratios.means().items():
        print(f"{name:38}{number(slower, '.2f'):>16}{number(peers, '.2f'):>16}{number(faster, '.2f'):>10}"
              f"{number(target, 'g'):>8}")
    print()
    for what, measured, target, met in ratios.verdicts():
        print(f"{'met   ' if met else 'MISSED'} {what:44}{measured:8.2f}  (target {target:g})")
    if all(ratios.boots):
        print(f"boot to user space: {ratios.boots[0]:.2f} s, {ratios.peer} {ratios.boots[1]:.2f} s")


def write(path, runs, summary, all_ratios):
    """The table as JSON, with every run."""
    data = {"summary": summary, "load": os.getloadavg(),
            "runs": {name: [{"boot": listener.boot, "workloads": listener.measures,
                             "problems": listener.problems, "complaints": listener.complaints}
                            for listener in listeners] for name, listeners in runs.items()},
            "means": {ratios.name: ratios.means() for ratios in all_ratios},
            "targets": {ratios.name: [dict(zip(("what", "measured", "target", "met"), verdict))
                                      for verdict in ratios.verdicts()] for ratios in all_ratios}}
    with open(path, "w", encoding="ascii") as file:
        json.dump(data, file, indent=2)
    print(f"\nwritten to {path}")
