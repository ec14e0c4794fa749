"""Compares the times that the cost model predicts for kernels with those that `fovea bench --profile` measures.

    predictions.py --fovea FOVEA --writer BENCH_MODELS.PY --folder FOLDER [--cases MODELS] [--only TEXT] [--repeat N] [--processor F]

Kernels that take more than 1% of the time of their model count. For each point, the table has the number of kernels whose
prediction is within 15% of the measured time, and each other kernel with the quotient of both. Sums over all points follow, of
all kernels and of each family of schedules. A step of the clock must be less than 15% of the time of a launch: kernels whose
launches are shorter are not counted, but named. With --cases the points are others: models and sizes with which no constant of
the cost model was chosen, among them those of the folder MODELS, each of which is a folder with a model.onnx. Models are written
to FOLDER/models if they are not there. The measured time of a kernel is the least of N measurements; each prediction uses the
peak that was measured together with that time. The status is 1 if a point fails."""
import argparse
import os
import sys

from performance import Absent, Bench, Failed, point, say

NEAR, COUNTS = 0.15, 0.01
# The constants of the cost model were chosen with these models in view.
POINTS = [point("minilm-l6", None, s, 1) for s in (8, 128, 512)] + [point("bert-base", None, s, 1) for s in (128, 384)] + [
    point("gpt2", None, 128, 1), point("gpt2-past", None, 1, 1, 128), point("llama-past", None, 1, 1, 128),
    point("llama", None, 64, 1), point("vit-base", None, None, 1), point("cnn", None), point("mobilenetv2", None),
    point("resnet50", None), point("seq2seq", None, 40, 1)]

# No constant was chosen with these.
OTHERS = [point("distilbert", None, s, 1) for s in (24, 128)] + [point("minilm-l6", None, s, 1) for s in (32, 384)] + [
    point("bert-base", None, 32, 1), point("llama", None, 200, 1), point("gpt2", None, 300, 1),
    point("gpt2-past", None, 1, 1, 700), point("whisper-tiny-encoder", None, None, 1), point("vgg19", None),
    point("resnet50-normalized", None), point("unet-block", None), point("seq2seq-step", None, 40, 1),
    point("seq2seq-unrolled", None, 24, 1), point("mlp", None), point("mcu", None), point("moe-gathered", None),
    point("mel", None, samples=160000), point("minilm-l6-int8", None, 128, 1)]
# Dims that are not given here are 1, or 128 for tokens: inputs of one pixel, word or sample have no time to measure.
CASES = [point(name, None) for name in ("gh_dtln_1", "gh_dtln_2", "gh_basic_pitch")] + [
    point("npm_ppocr_cls", None, **{"p2o.DynamicDimension.1": 48, "p2o.DynamicDimension.2": 192}),
    point("npm_ppocr_v4_rec", None, **{"p2o.DynamicDimension.1": 320}), point("enc_bert_mini_256", None),
    point("dec_gpt2_mini_past_192", None), point("vis_swin_shifted", None), point("trf_bart_bmm", None, src=32, tgt=16),
    point("vis_vit_timm", None), point("vis_seresnet_small", None), point("aud_wav2vec2_ctc", None, samples=16000)]


def points_of(o):
    """The points, and the folder of each one's model; None: the model is written."""
    if not o.cases:
        return [(p, None) for p in POINTS]
    return [(p, None) for p in OTHERS] + [(p, o.cases) for p in CASES]


def family(kernel):
    return kernel["schedule"].split(" ")[0] or "other"


def measure(bench, p, cases, repeat, options):
    """The kernels that count: each with the least of its measured times, and the prediction of that measurement; and the names of
    those that are too short for the clock."""
    best = {}
    path = os.path.join(cases, p["model"], "model.onnx") if cases else bench.model(p["model"])
    if not os.path.exists(path):
        raise Absent(f"there is no {path}")
    clock = 0
    for _ in range(repeat):
        result = bench(path, *[f"--at={k}={v}" for k, v in p["at"].items()], *bench.inputs(p["model"]),
                       "--threads=1", "--profile", *options)[0]
        clock = max(clock, result["profile"]["clock_ns"] * 1e-6)
        for k in result["profile"]["kernels"]:
            if k["predicted_ms"] is None:
                continue
            if k["kernel"] not in best or k["least_ms"] < best[k["kernel"]]["least_ms"]:
                best[k["kernel"]] = k
    total = sum(k["least_ms"] for k in best.values())
    every = sorted((k for k in best.values() if k["least_ms"] > COUNTS * total), key=lambda k: -k["least_ms"])
    long = [k for k in every if k["least_ms"] > k["calls"] * clock / NEAR]
    return long, [k["kernel"] for k in every if k not in long]


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
    parser.add_argument("--cases", help="a folder of models; the points are those with which no constant was chosen")
    parser.add_argument("--only", default="", help="only points whose name contains this text")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--processor", help="the profile of the machine")
    o = parser.parse_args()
    o.rounds, o.seconds = 1, 0.3
    bench, every, too_short, failed = Bench(o), [], [], False
    options = [f"--processor={o.processor}"] if o.processor else []
    say("| model | within 15% | predicted / measured, sums | the others: predicted / measured |\n| --- | --- | --- | --- |")
    for p, cases in ((p, cases) for p, cases in points_of(o) if o.only in p["name"]):
        try:
            kernels, short = measure(bench, p, cases, o.repeat, options)
        except Failed as e:
            say(f"| {p['name']} | {'skipped' if isinstance(e, Absent) else 'FAILED'}: {e} | | |")
            failed |= not isinstance(e, Absent)
            continue
        if kernels:
            show(p["name"], kernels)
        every += kernels
        too_short += [f"{p['name']}: {name}" for name in short]
    say(f"\nall kernels: {near_of(every)}")
    if too_short:
        say(f"too short for the clock, not counted: {len(too_short)} ({', '.join(too_short)})")
    for name in sorted({family(k) for k in every}):
        say(f"{name}: {near_of([k for k in every if family(k) == name])}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
