"""Compares the times that the cost model predicts for kernels with those that `fovea bench --profile` measures.

    predictions.py --fovea FOVEA --writer BENCH_MODELS.PY --folder FOLDER [--only TEXT] [--repeat N] [--processor F]

Kernels that take more than 1% of the time of their model count. For each point, the table has the number of kernels whose
prediction is within 15% of the measured time, and each other kernel with the quotient of both. Sums over all points follow, of
all kernels and of each family of schedules. Models are written to FOLDER/models if they are not there. The measured time of a
kernel is the least of N measurements; each prediction uses the peak that was measured together with that time. The status is 1 if
a point fails."""
import argparse
import sys

from performance import Absent, Bench, Failed, point, say

NEAR, COUNTS = 0.15, 0.01
# All but minilm-l6 with 128 tokens and cnn are models with which no constant of the cost model was chosen.
POINTS = [point("minilm-l6", None, s, 1) for s in (8, 128, 512)] + [point("bert-base", None, s, 1) for s in (128, 384)] + [
    point("gpt2", None, 128, 1), point("gpt2-past", None, 1, 1, 128), point("llama-past", None, 1, 1, 128),
    point("llama", None, 64, 1), point("vit-base", None, None, 1), point("cnn", None), point("mobilenetv2", None),
    point("resnet50", None), point("seq2seq", None, 40, 1)]


def family(kernel):
    return kernel["schedule"].split(" ")[0] or "other"


def measure(bench, p, repeat, options):
    """The kernels that count: each with the least of its measured times, and the prediction of that measurement."""
    best = {}
    for _ in range(repeat):
        result = bench(bench.model(p["model"]), *[f"--at={k}={v}" for k, v in p["at"].items()], *bench.inputs(p["model"]),
                       "--threads=1", "--profile", *options)[0]
        for k in result["profile"]["kernels"]:
            if k["predicted_ms"] is None or not k["least_ms"] > 0:
                continue
            if k["kernel"] not in best or k["least_ms"] < best[k["kernel"]]["least_ms"]:
                best[k["kernel"]] = k
    total = sum(k["least_ms"] for k in best.values())
    return sorted((k for k in best.values() if k["least_ms"] > COUNTS * total), key=lambda k: -k["least_ms"])


def ratio(k):
    return k["predicted_ms"] / k["least_ms"]


def is_near(k):
    return abs(ratio(k) - 1) < NEAR


def near_of(kernels):
    return f"{sum(map(is_near, kernels))} of {len(kernels)}"


def show(name, kernels):
    say(f"| {name} | {near_of(kernels)} | {sum(k['predicted_ms'] for k in kernels) / sum(k['least_ms'] for k in kernels):.2f} | "
        + "; ".join(f"{k['kernel']} ({k['schedule']}) {k['least_ms']:.3g} ms: {ratio(k):.2f}" for k in kernels if not is_near(k))
        + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--fovea", "--writer", "--folder"):
        parser.add_argument(name, required=True)
    parser.add_argument("--only", default="", help="only points whose name contains this text")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--processor", help="the profile of the machine")
    o = parser.parse_args()
    o.rounds, o.seconds = 1, 0.3
    bench, every, failed = Bench(o), [], False
    options = [f"--processor={o.processor}"] if o.processor else []
    say("| model | within 15% | predicted / measured, sums | the others: predicted / measured |\n| --- | --- | --- | --- |")
    for p in (p for p in POINTS if o.only in p["name"]):
        try:
            kernels = measure(bench, p, o.repeat, options)
        except Failed as e:
            say(f"| {p['name']} | {'skipped' if isinstance(e, Absent) else 'FAILED'}: {e} | | |")
            failed |= not isinstance(e, Absent)
            continue
        show(p["name"], kernels)
        every += kernels
    say(f"\nall kernels: {near_of(every)}")
    for name in sorted({family(k) for k in every}):
        say(f"{name}: {near_of([k for k in every if family(k) == name])}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
