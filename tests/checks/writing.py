"""What writing.sh asks of each model. Arguments: FOVEA SHARED SAMPLE ORT [PATTERN]."""
import fnmatch
import os
import re
import subprocess
import sys
import tempfile

try:
    import onnx
except ImportError:
    onnx = None
fovea, shared, sample, ort = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
only = sys.argv[5] if len(sys.argv) > 5 else "*"
counts = {"passed": 0, "failed": 0, "refused": 0, "checked": 0, "in ORT": 0, "as Attention": 0}
NEWEST_CHECKED = onnx.defs.onnx_opset_version() if onnx else 0


def bad(name, what, text):
    counts["failed"] += 1
    print(f"FAILED {name}: {what}: {text.strip().splitlines()[0][:300] if text.strip() else ''}", flush=True)


def call(*args):
    return subprocess.run([fovea, *args], capture_output=True, text=True, errors="replace")


def outputs(model, data, backend, folder):
    os.mkdir(folder)
    r = call("run", "-q", model, f"--backend={backend}", "--data-set", data, "-o", folder, "--threads=1")
    return r, {f: open(os.path.join(folder, f), "rb").read() for f in sorted(os.listdir(folder))} if not r.returncode else None


def check(name, written):
    """The standard's checker, as far as it knows the opset."""
    model = onnx.load(written)
    if model.ir_version > onnx.IR_VERSION or any(o.version > NEWEST_CHECKED for o in model.opset_import if o.domain in ("", "ai.onnx")):
        return
    try:
        onnx.checker.check_model(written)
        counts["checked"] += 1
    except Exception as e:  # the checker's own kinds of errors differ with its version
        bad(name, "onnx.checker", str(e))


def run_ort(name, original, written, data):
    """Fovea's outputs against ONNX Runtime's on what was written: as near as on the original."""
    r = [call("bench", "-q", m, f"--against={ort}", "--rounds=1", "--seconds=0.02", "--data-set", data) for m in (written, original)]
    if not r[0].returncode:
        counts["in ORT"] += 1
    elif not r[1].returncode:
        bad(name, "ONNX Runtime", "\n".join(x for x in (r[0].stdout + r[0].stderr).splitlines() if re.search("DIFFERS|error", x)))


def model(folder, backends, modes, asks_ort):
    name = os.path.basename(folder)
    original, data = os.path.join(folder, "model.onnx"), os.path.join(folder, "test_data_set_0")
    if not fnmatch.fnmatch(name, only) or not os.path.isdir(data):
        return
    with tempfile.TemporaryDirectory() as t:
        want = {b: outputs(original, data, b, os.path.join(t, "want-" + b)) for b in backends}
        if any(r.returncode for r, _ in want.values()):
            return  # what does not run is no matter of writing
        for mode in modes:
            written = os.path.join(t, f"{len(os.listdir(t))}.onnx")
            r = call("opt", "-q", original, "-o", written, *mode)
            label = f"{name} {' '.join(mode)}"
            if r.returncode == 1 and "has no spelling" in r.stderr:
                counts["refused"] += 1
                continue
            if r.returncode:
                bad(label, "writing", r.stderr)
                continue
            for b in backends:
                r, got = outputs(written, data, b, f"{written}-{b}")
                if r.returncode:
                    bad(f"{label} {b}", "running", r.stderr)
                elif got != want[b][1]:
                    bad(f"{label} {b}", "other bits", ", ".join(k for k in got if got[k] != want[b][1].get(k)))
                else:
                    counts["passed"] += 1
            if onnx:
                check(label, written)
        if asks_ort and ort:
            run_ort(name, original, written, data)


def standard(folder, asks_ort):
    """With --standard attention is an operator, which rounds elsewhere: what the model's data expect within its tolerance."""
    name = os.path.basename(folder) + " --standard"
    original, data = os.path.join(folder, "model.onnx"), os.path.join(folder, "test_data_set_0")
    if not fnmatch.fnmatch(os.path.basename(folder), only) or call("run", "-q", original, "--data-set", data, "--expect", data).returncode:
        return
    with tempfile.TemporaryDirectory() as t:
        written = os.path.join(t, "model.onnx")
        r = call("opt", "-v", original, "--standard", "-o", written)
        if r.returncode == 1 and "is not made of the standard's operators" in r.stderr:
            counts["refused"] += 1
            return
        if r.returncode:
            bad(name, "writing", r.stderr)
            return
        found = re.search(r"^write-attention: (\d+) Attention", r.stderr, re.M)
        counts["as Attention"] += int(found.group(1)) if found else 0
        r = call("run", "-q", written, "--data-set", data, "--expect", data)
        if r.returncode:
            bad(name, "running", r.stdout[r.stdout.find("FAILED"):] + r.stderr)
        else:
            counts["passed"] += 1
        if onnx:
            check(name, written)
        if asks_ort and ort:
            run_ort(name, original, written, data)


def folders(part):
    top = os.path.join(shared, part)
    return sorted(os.path.join(top, f) for f in os.listdir(top) if os.path.isdir(os.path.join(top, f)))


ALL = ([], ["-O0"], ["--passes="])
for i, f in enumerate(folders("models")[::max(1, sample // 2)]):  # each takes seconds
    model(f, ["jit", "interp"] if i % 8 == 0 else ["jit"], [ALL[i % 2], ALL[2]], i % 4 == 0)
    standard(f, i % 2 == 0)
for part in ("node", "simple", "pytorch-converted", "pytorch-operator"):
    for f in folders(f"onnx-suite/{part}")[::sample]:
        model(f, ["interp"], ALL, False)
print(", ".join(f"{n} {what}" for what, n in counts.items() if what not in ("passed", "failed")))
print(f"{counts['passed']} passed, {counts['failed']} failed")
sys.exit(counts["failed"] > 0)
