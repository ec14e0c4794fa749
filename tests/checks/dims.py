"""dims.py FOVEA SHARED - exported models with dims that no memory holds: `fovea inspect` lowers each, or refuses.

A dim is set to 2^32 and to 2^39, alone and with all others. What is found and decided about a graph must not take
time or memory with the value of a dim: a model whose values are no longer representable is refused with a message
and status 1. Processor time and memory are limited, so that a walk over a dim's values ends as a failure.

Looked at are as many as FOVEA_DIMS says (120), chosen by FOVEA_SEED (1); FOVEA_ALL=1 looks at all.
"""
import concurrent.futures
import json
import os
import pathlib
import random
import re
import resource
import subprocess
import sys

fovea, shared = sys.argv[1], pathlib.Path(sys.argv[2])
SECONDS = 20           # of a processor: a sanitizer and a slow machine included; none takes a second
MEMORY = 4 << 30       # of address space; left out under a sanitizer, which reserves terabytes
ALWAYS = {"mha_torch_cross_kdim_vdim", "group_query_attention_decode_dynamic_total_1d", "npm_silero_vad_v5"}  # once walked, once blamed
VALUES = [1 << 32, 1 << 39]
GIVES_UP = re.compile(r"internal error|broke the|runtime error|Sanitizer|Assertion|LLVM ERROR")
sanitized = b"__asan_init" in pathlib.Path(fovea).read_bytes()


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sanitized:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def inspect(model, *options):
    return subprocess.run([fovea, "inspect", str(model), "--json", *options], capture_output=True, text=True, errors="replace",
                          preexec_fn=limit)


def dims_of(model):
    p = inspect(model)
    if p.returncode:
        return []   # what is no good without --dim is the matter of other checks
    return list(json.loads(p.stdout)["dims"])


def fault(case):
    """What is wrong with how a model with these dims is looked at, or None."""
    model, dims = case
    p = inspect(model, *(f"--dim={name}={value}" for name, value in dims.items()))
    said = p.stderr.strip().splitlines()
    if p.returncode < 0:
        return f"signal {-p.returncode}: more than {SECONDS} s of a processor, or a crash"
    if p.returncode not in (0, 1):
        return f"status {p.returncode}: {said[-1:]}"
    if any(GIVES_UP.search(line) for line in said):
        return next(line for line in said if GIVES_UP.search(line))
    if p.returncode == 1 and not any("error:" in line for line in said):
        return "refused without a reason"
    return None


def cases_of(model):
    names = dims_of(model)
    for value in VALUES:
        for name in names:
            yield model, {name: value}
        if len(names) > 1:
            yield model, {name: value for name in names}


def main():
    everything = os.environ.get("FOVEA_ALL") == "1"
    rng = random.Random(int(os.environ.get("FOVEA_SEED", "1")))
    models = sorted(m for folder in ("models", "contrib") for m in (shared / folder).glob("*/*.onnx"))
    if not everything:
        known = [m for m in models if m.parent.name in ALWAYS]
        models = known + rng.sample(models, min(len(models), int(os.environ.get("FOVEA_DIMS", "120"))))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [list(c) for c in pool.map(lambda m: list(cases_of(m)), models)]
        cases = [c for of_model in found for c in (of_model if everything else of_model[-1:] + rng.sample(of_model, min(len(of_model), 1)))]
        faults = list(pool.map(fault, cases))
    for (model, dims), why in zip(cases, faults):
        if why:
            told = " ".join(f"--dim={name}={value}" for name, value in dims.items())
            print(f"FAILED  {model.parent.name} {told}: {why}")
    failed = sum(why is not None for why in faults)
    if not cases:
        print("FAILED  no model has a dim")
        failed = 1
    print(f"{len(cases) - failed if cases else 0} passed, {failed} failed")
    return failed > 0


sys.exit(main())
