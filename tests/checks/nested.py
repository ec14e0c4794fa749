"""nested.py FOVEA - regions and functions that nest deeply: every command takes little time and memory, or refuses.

A graph has 60 regions of a kind within each other (If, Loop, Scan, SequenceMap, or a mixture), or functions that call
each other, and is imported, written, lowered, run and shown by each command. What visits a nested region twice takes
2^60 steps, and what copies something of the size of the graph for each region takes memory. A graph that is nested
deeper than the limit is refused with a message that states the limit.
"""
import os
import pathlib
import random
import re
import resource
import subprocess
import sys
import tempfile

fovea = os.path.abspath(sys.argv[1])
sanitized = b"__asan_init" in pathlib.Path(fovea).read_bytes()
SECONDS = 30 if sanitized else 4   # of a processor; none takes 2 on an idle machine
MEMORY = 2000 if sanitized else 200   # megabytes
DEPTH, LIMIT = 62, 64   # a function and a type in a region nest as well
GIVES_UP = re.compile(r"internal error|broke the|runtime error|Sanitizer|Assertion|LLVM ERROR")
passed = failed = 0


def tell(what, fault):
    global passed, failed
    passed, failed = passed + (not fault), failed + bool(fault)
    if fault:
        print(f"FAILED {what}: {fault}")


# ---- graphs ----

def branch(i, inner, x):
    """An If, nested in one of its branches."""
    other = [f"%o{i} = Neg({x})", f"return %o{i}"]
    own = inner(x) + [f"return %y{i + 1}"]
    then, otherwise = (own, other) if i % 2 else (other, own)
    return [f"%y{i} = If(%c) {{then_branch = ^() {{", *then, "}, else_branch = ^() {", *otherwise, "}}"]


def loop(i, inner, x):
    return [f"%y{i} = Loop(%t, _, {x}) {{body = ^(%i{i}: i64[], %g{i}: bool[], %v{i}: f32[4]) {{", *inner(f"%v{i}"),
            f"%h{i} = Identity(%g{i})", f"return %h{i}, %y{i + 1}", "}}"]


def forever(i, inner, x):
    """A Loop that a condition ends, and no number of iterations."""
    return [f"%y{i} = Loop(_, %c, {x}) {{body = ^(%i{i}: i64[], %g{i}: bool[], %v{i}: f32[4]) {{", *inner(f"%v{i}"),
            f"%h{i} = Not(%g{i})", f"return %h{i}, %y{i + 1}", "}}"]


def scan(i, inner, x):
    return [f"%y{i}, %z{i} = Scan({x}, %w) {{num_scan_inputs = 1, body = ^(%v{i}: f32[4], %e{i}: f32[]) {{", *inner(f"%v{i}"),
            f"%f{i} = Neg(%e{i})", f"return %y{i + 1}, %f{i}", "}}"]


def sequence(i, inner, x):
    return [f"%s{i} = SequenceConstruct({x})", f"%m{i} = SequenceMap(%s{i}) {{body = ^(%v{i}: f32[4]) {{", *inner(f"%v{i}"),
            f"return %y{i + 1}", "}}", f"%y{i} = SequenceAt(%m{i}, @zero)"]


KINDS = {"If": [branch], "Loop": [loop], "Loop with a condition": [forever], "Scan": [scan], "SequenceMap": [sequence],
         "Loop and If": [loop, branch], "Scan and SequenceMap": [scan, sequence],
         "all": [branch, loop, forever, scan, sequence]}


def graph(kinds, depth):
    """The text of a graph; regions are chosen at random among the kinds."""
    rng = random.Random(depth)

    def level(i, x):
        if i == depth:
            return [f"%y{i} = Mul({x}, @k)"]
        return rng.choice(kinds)(i, lambda inner: level(i + 1, inner), x)

    sys.setrecursionlimit(100000)
    lines = level(0, "%x")
    return "\n".join(["fovea-ir 1", 'module "nested"', "const @k: f32[] = 0.5", "const @zero: i64[] = 0",
                      "func @main(%x: f32[4], %c: bool[], %t: i64[], %w: f32[1]) -> (%y) {", *lines, "return %y0", "}", ""])


def functions(depth, path):
    """Functions each of which calls the next one, as a model of ONNX. False: the package onnx is not installed."""
    try:
        import onnx
        from onnx import helper
    except ImportError:
        return False
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    made = [helper.make_function("local", f"f{i}", ["x"], ["y"], [
        helper.make_node("Neg", ["x"], ["h"]),
        helper.make_node("Abs" if i + 1 == depth else f"f{i + 1}", ["h"], ["y"], domain="" if i + 1 == depth else "local")], opsets)
        for i in range(depth)]
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4]) for name in "xy")
    main = helper.make_graph([helper.make_node("f0", ["x"], ["y"], domain="local")], "g", [x], [y])
    onnx.save(helper.make_model(main, functions=made, opset_imports=opsets, ir_version=9), path)
    return True


# ---- commands ----

def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS + 1, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(what, *args):
    """Runs the command within the limits. Returns its status, and what it said."""
    p = subprocess.Popen([fovea, *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=limit)
    said = p.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    seconds, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    fault = None
    if p.returncode < 0:
        fault = f"signal {-p.returncode} after {seconds:.1f} s and {memory:.0f} MB"
    elif seconds > SECONDS or memory > MEMORY:
        fault = f"{seconds:.1f} s and {memory:.0f} MB"
    elif GIVES_UP.search(said):
        fault = GIVES_UP.search(said).string[:200]
    elif p.returncode and "error:" not in said:
        fault = f"status {p.returncode} without a reason"
    tell(what, fault)
    return p.returncode, said


def succeeds(what, *args):
    status, said = run(what, *args)
    tell(f"{what} succeeds", f"status {status}: {said[:300]}" if status else None)


def every_stage(name, model):
    """Each command, on the model and on each text that it writes."""
    succeeds(f"{name}: opt", "opt", "-q", model, "-o", "a.fvir")
    succeeds(f"{name}: opt of its text", "opt", "-q", "a.fvir", "-o", "b.fvir")
    for emit, file in (("definitions", "a.fvdef"), ("kernels", "a.fvk"), ("expanded", "b.fvk")):
        succeeds(f"{name}: {emit}", "compile", "-q", model, f"--emit={emit}", "-o", file)
        succeeds(f"{name}: C of the text of {emit}", "compile", "-q", file, "-o", "b.c")
    succeeds(f"{name}: definitions of definitions", "compile", "-q", "a.fvdef", "--emit=definitions", "-o", "b.fvdef")
    for options in ((), ("-Os",), ("-O0",), ("--schedule=naive",), ("--target=cortex-m4",)):
        succeeds(f"{name}: C {' '.join(options)}", "compile", "-q", model, "-o", "a.c", *options)
    succeeds(f"{name}: object", "compile", "-q", model, "-O1", "-o", "a.o")
    succeeds(f"{name}: inspect", "inspect", model)
    succeeds(f"{name}: inspect --json", "inspect", model, "--json", "--why")
    succeeds(f"{name}: view", "view", model, "-o", "a.html")
    for backend in ("interp", "jit"):
        succeeds(f"{name}: run by {backend}", "run", "-q", model, f"--backend={backend}", "-O1", *inputs_of(name))


def inputs_of(name):
    return ("--input=x=x.npy",) if name == "functions" else tuple(f"--input={i}={i}.npy" for i in "xctw")


def write_inputs():
    def save(name, kind, shape, content):
        head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
        head += " " * (63 - (10 + len(head)) % 64) + "\n"
        pathlib.Path(f"{name}.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + content)
    save("x", "<f4", "(4,)", b"\x00\x00\x80\x3f" * 4)
    save("c", "|b1", "()", b"\x01")
    save("t", "<i8", "()", (1).to_bytes(8, "little"))
    save("w", "<f4", "(1,)", b"\x00\x00\x80\x3f")


def refuses(name, *args):
    status, said = run(f"{name}: {args[0]}", *args)
    tell(f"{name}: states the limit", None if status == 1 and str(LIMIT) in said else f"status {status}: {said[:300]}")


def main():
    os.chdir(tempfile.mkdtemp(dir=sys.argv[2]))
    os.environ["FOVEA_CACHE_DIR"] = ""
    write_inputs()
    for name, kinds in KINDS.items():
        pathlib.Path("m.fvir").write_text(graph(kinds, DEPTH))
        succeeds(f"{name}: written as ONNX", "opt", "-q", "--passes=", "m.fvir", "-o", "m.onnx")
        every_stage(name, "m.onnx")
        for depth in (LIMIT + 1, 1000):
            pathlib.Path("deep.fvir").write_text(graph(kinds, depth))
            refuses(f"{name}, {depth} deep", "inspect", "deep.fvir")
    if functions(DEPTH, "m.onnx"):
        every_stage("functions", "m.onnx")
        functions(1000, "deep.onnx")
        refuses("functions, 1000 deep", "inspect", "deep.onnx")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
