#!/usr/bin/env python3
"""attention.py BUILD MODELS - what `inspect --attention` says, against tests/attention.

Exported models: each line of expected.txt, whose head says what stands there; of those that are not fused unfused.txt has
the reason. Small models: their `# is:` line, the same numbers as with --schedule=naive without merge-softmax, and how many of the other
spellings are fused. The last line is `N passed, N failed`."""
import json
import os
import re
import subprocess
import sys

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "attention")
build, models = sys.argv[1], sys.argv[2]
fovea = os.path.join(build, "tools", "fovea")
passed = failed = 0


def check(ok, what):
    global passed, failed
    passed += bool(ok)
    failed += not ok
    if not ok:
        print("FAILED ", what)


def inspect(path, *options):
    run = subprocess.run([fovea, "inspect", path, "--attention", "--json", *options], capture_output=True, text=True,
                         timeout=120)
    return json.loads(run.stdout) if run.returncode == 0 else run.stderr


def heads(entry):
    q, k = entry["query_heads"], entry["kv_heads"]
    return str(q) if q == k else f"{q}/{k}"


def kind(entry):
    return entry["kind"] + "-gate" * entry["gate"]


def masks(entry):
    return ",".join(entry["mask"]) or "none"


def lines(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        for line in f:
            line = line.split("#")[0].split()
            if line:
                yield line


def names(entry, node):
    return any(n == node or (node.endswith("*") and n.startswith(node[:-1])) for n in entry["nodes"] + [entry["softmax"]])


# ---- the exported models ----

expected = {}
for line in lines("expected.txt"):
    expected.setdefault(line[0], []).append(line[1:])
unfused = {(line[0], node): line[1] for line in lines("unfused.txt") for node in line[2:]}
total = fused = 0
seen_unfused = set()
for model, entries in sorted(expected.items()):
    answer = inspect(os.path.join(models, model, "model.onnx"))
    if isinstance(answer, str):
        check(False, f"{model}: {answer}")
        continue
    known = []
    for entry in entries:
        what, nheads, mask, merged, nodes = entry[0], entry[1], entry[2], entry[3], entry[4:]
        if nodes[1:2] == ["of"]:
            found = [e for e in answer["attention"] if kind(e) == what]
            known += found
            check(len(found) == int(nodes[0]), f"{model}: {len(found)} of {what}, expected {nodes[0]}")
            continue
        for node in nodes:
            found = [e for e in answer["attention"] if names(e, node)]
            if what == "-":
                check(not found, f"{model} {node}: {found and kind(found[0])}, but it is no attention")
                continue
            check(len(found) == 1, f"{model} {node}: {len(found)} attentions, expected one of {what}")
            for e in found:
                known.append(e)
                check(kind(e) == what, f"{model} {node}: {kind(e)}, expected {what}")
                if e["gate"]:
                    continue
                check(heads(e) == nheads, f"{model} {node}: {heads(e)} heads, expected {nheads}")
                check(masks(e) == mask, f"{model} {node}: mask {masks(e)}, expected {mask}")
                check(merged == "apart" or e["qkv_merged"] == (merged == "one"),
                      f"{model} {node}: merged {e['qkv_merged']}, expected {merged}")
                total += 1
                fused += e["fused"]
                if not e["fused"]:
                    seen_unfused.add((model, node))
                    check(unfused.get((model, node)) == e["code"],
                          f"{model} {node}: is not fused: {e['code']}: {e['why']} (at {e['stopped_at']})")
    for e in answer["attention"]:
        check(e in known, f"{model}: {kind(e)} at {e['softmax']} is not expected")
for model, node in unfused:
    check((model, node) in seen_unfused, f"{model} {node}: is fused, unfused.txt says it is not")
print(f"attentions of the exported models: {fused} of {total} fused")


# ---- small ones ----

def numbers(path, folder, *options):
    run = subprocess.run([fovea, "run", path, "--seed=7", "-o", folder, *options], capture_output=True, text=True)
    return run.returncode, run.stderr


def small(folder):
    done = 0
    for name in sorted(os.listdir(os.path.join(HERE, folder))):
        path = os.path.join(HERE, folder, name)
        with open(path, encoding="utf-8") as f:
            says = re.search(r"^# is: (.*)$", f.read(), re.M).group(1)
        answer = inspect(path)
        if isinstance(answer, str):
            check(False, f"{name}: {answer}")
            continue
        found = [f"{kind(e)} {heads(e)} {masks(e)}" for e in answer["attention"]]
        check("; ".join(found) == says.replace("-", "") if says == "-" else "; ".join(found) == says,
              f"{name}: {found or 'no attention'}, expected {says}")
        done += bool(found) and all(e["fused"] for e in answer["attention"])
        out = os.path.join(build, "attention-naive")
        status, message = numbers(path, out, "--schedule=naive", "--backend=interp", "--disable=merge-softmax")
        check(status == 0, f"{name} --schedule=naive: {message}")
        for backend in ("interp", "jit"):
            run = subprocess.run([fovea, "run", path, "--seed=7", "--expect", out, "--backend", backend, "-q"],
                                 capture_output=True, text=True)
            check(run.returncode == 0, f"{name} --backend={backend}: {run.stdout}{run.stderr}")
    return done


spelled, spellings = small("spellings"), len(os.listdir(os.path.join(HERE, "spellings")))
print(f"other spellings: {spelled} of {spellings} fused")
check(spelled == spellings, f"only {spelled} of the other spellings are fused")
small("near")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
