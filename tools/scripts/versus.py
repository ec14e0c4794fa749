"""Compares two builds of Fovea on the points of performance.py, round by round; the two take turns in being first.

Started by `tools/bench --versus OLD`. A point fails if the median over the rounds of new time divided by old time is
more than LIMIT. Prints a line for each point, and last the number of points that passed. The status is 1 if one failed."""
import argparse
import os
import statistics
import sys

from performance import POINTS, Absent, Bench, Failed, say

LIMIT = 1.02


def one_round(bench, p, threads):
    """Median time in ms of one round."""
    path, at = bench.model(p["model"]), [f"--at={k}={v}" for k, v in p["at"].items()]
    return bench(path, *at, *bench.inputs(p["model"]), f"--threads={threads}")[0]["median_ms"]


def compare(new, old, p, threads, rounds):
    ratios = []
    for i in range(rounds):
        times = {}
        for which in (new, old) if i % 2 else (old, new):
            times[which] = one_round(which, p, threads)
        ratios.append(times[new] / times[old])
    return ratios


def build(o, fovea):
    return Bench(argparse.Namespace(folder=o.folder, writer=o.writer, fovea=fovea, rounds=1, seconds=o.seconds))


def main():
    parser = argparse.ArgumentParser()
    for name in ("--fovea", "--versus", "--writer", "--folder"):
        parser.add_argument(name, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0)
    o = parser.parse_args()
    old = o.versus if os.path.isfile(o.versus) else os.path.join(o.versus, "tools", "fovea")
    new, old = build(o, o.fovea), build(o, old)
    passed = failed = 0
    say(f"{'point':40} threads  new / old   least - most of {o.rounds} rounds")
    for p in (p for _, points in POINTS for p in points if o.only in p["name"]):
        for threads in (1, 2):
            try:
                ratios = compare(new, old, p, threads, o.rounds)
            except Absent as e:
                say(f"{p['name']:40} {threads:7}  skipped: {e}")
                continue
            except Failed as e:
                failed += 1
                say(f"{p['name']:40} {threads:7}  FAILED: {e}")
                continue
            middle = statistics.median(ratios)
            slower = middle > LIMIT
            failed, passed = failed + slower, passed + (not slower)
            say(f"{p['name']:40} {threads:7}  {middle:9.3f}   {min(ratios):.3f} - {max(ratios):.3f}"
                + (f"  SLOWER than {LIMIT}" if slower else ""))
    say(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
