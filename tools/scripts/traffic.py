"""Prints what programs move into the caches of cores, and how long they take, by number of threads, as the cost model predicts it.

    traffic.py --fovea FOVEA --writer BENCH_MODELS.PY --folder FOLDER [--target T] [--processor P] [--threads LIST]

For each model the table has two rows: the bytes that all cores together move into their own caches from the last-level cache or from
memory, and the milliseconds of a run. Nothing is run, so the machine may have fewer cores. Models are written to FOLDER/models if they
are not there. The status is 1 if a model fails."""
import argparse
import json
import sys

from performance import Absent, Bench, Failed, point, run, say

POINTS = [point("minilm-l6", None, 8, 1), point("minilm-l6", None, 128, 1), point("bert-base", None, 128, 1),
          point("bert-base", None, 384, 1), point("gpt2", None, 128, 1), point("llama-past", None, 1, 1, 128),
          point("vit-base", None, None, 1), point("cnn", None), point("resnet50", None)]


def estimate(bench, p, threads, o):
    """The estimate of `fovea inspect` for so many threads."""
    command = [o.fovea, "inspect", bench.model(p["model"]), "--schedules", "--json", "-q", f"--threads={threads}",
               f"--target={o.target}", *[f"--dim={k}={v}" for k, v in p["at"].items()]]
    status, out, error = run(command + ([f"--processor={o.processor}"] if o.processor else []))
    if status:
        raise Failed(error)
    return json.loads(out)["estimate"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--fovea", "--writer", "--folder"):
        parser.add_argument(name, required=True)
    parser.add_argument("--target", default="native")
    parser.add_argument("--processor", help="a family of processors, or the profile of a machine")
    parser.add_argument("--threads", default="1,2,4,8,16,32,64,128")
    parser.add_argument("--only", default="", help="only points whose name contains this text")
    o = parser.parse_args()
    threads, bench, failed = [int(n) for n in o.threads.split(",")], Bench(o), False
    say("| threads | | " + " | ".join(map(str, threads)) + " |\n| --- | --- |" + " ---: |" * len(threads))
    for p in (p for p in POINTS if o.only in p["name"]):
        try:
            each = [estimate(bench, p, n, o) for n in threads]
        except Failed as e:
            say(f"| {p['name']} | {'skipped' if isinstance(e, Absent) else 'FAILED'}: {e} |" + " |" * len(threads))
            failed |= not isinstance(e, Absent)
            continue
        say(f"| {p['name']} | MB | " + " | ".join(f"{e['into_cores_bytes'] * 1e-6:.3g}" for e in each) + " |")
        say("| | ms | " + " | ".join(f"{e['predicted_ms']:.3g}" for e in each) + " |")
    return failed


if __name__ == "__main__":
    sys.exit(main())
