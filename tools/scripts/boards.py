#!/usr/bin/env python3
"""boards.py BUILD [MODEL...] [--targets=A,B] [--rounds=N]: bits of models on emulated microcontrollers and in the interpreter.

Compiles each model for each target without an operating system to a folder of C, builds its self-test, and runs that on the board
that QEMU emulates. The self-test compares the bits of the outputs with those of the interpreter for that target, on the same inputs
and at several sizes of symbolic dims. MODEL is a file, or a folder of the shared folder; the default is all of these. Models with
more bytes than --largest are left out.

The C of generic32 is compiled for the Cortex-M3, and runs on its board. If a program exceeds the memories that the folder's script
for the linker describes, the larger memories of the board are used (LARGER). If the self-test records that every size of dims is
refused, those that `fovea inspect` assumes are fixed.

Combinations are tried in rounds; in each round every model has one target, and another one in the next round. So --rounds=1
tries all models and all targets, but not all pairs. A line is printed for each pair: equal, differs, fails (the C compiler, the
linker or the emulator does), refused by Fovea, or too large for the board. The last line says how many pairs are equal and how many are not."""
import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TARGETS = ("cortex-m0,riscv32imac,cortex-m4,generic32,cortex-m55,riscv32imafc,cortex-m0plus,cortex-m33,esp32c3,cortex-m7,cortex-m3,"
           "cortex-m85").split(",")

# For the machine of a script for the linker: the lines of MEMORY with more memory. The vectors of mps3-an547 remain at address 0,
# where its processor reads them after a reset; code is in the secure view of an SRAM, data in that of the DRAM.
LARGER = {
    "mps2-an385": ["code (rx) : ORIGIN = 0x00000000, LENGTH = 4M", "data (rw) : ORIGIN = 0x21000000, LENGTH = 16M"],
    "mps2-an386": ["code (rx) : ORIGIN = 0x00000000, LENGTH = 4M", "data (rw) : ORIGIN = 0x21000000, LENGTH = 16M"],
    "mps2-an500": ["code (rx) : ORIGIN = 0x00000000, LENGTH = 4M", "data (rw) : ORIGIN = 0x60000000, LENGTH = 16M"],
    "mps2-an505": ["code (rx) : ORIGIN = 0x10000000, LENGTH = 4M", "data (rw) : ORIGIN = 0x80000000, LENGTH = 16M"],
    "mps3-an547": ["first (rx) : ORIGIN = 0x00000000, LENGTH = 512K", "code (rx) : ORIGIN = 0x70000000, LENGTH = 16M",
                   "data (rw) : ORIGIN = 0x71000000, LENGTH = 64M"],
    "virt": ["code (rx) : ORIGIN = 0x80000000, LENGTH = 16M", "data (rw) : ORIGIN = 0x81000000, LENGTH = 64M"],
}
TOO_LARGE = re.compile(r"will not fit in region|overflowed by|no memory is left for the stack|cannot move location counter|overlaps")


def call(*args, **more):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **more)


def compiled(fovea, model, target, more, folder):
    """Writes the folder of C; returns what Fovea says, the errors if it refuses. Without a path it asks no C compiler for sizes."""
    env = dict(os.environ, PATH="/nowhere", FOVEA_CACHE_DIR="")
    done = call(fovea, "compile", model, "--target=" + target, "--name=m", *more, "-q", "-o", folder + "/", env=env)
    return "" if done.returncode == 0 else done.stdout


def runs_a_size(folder):
    """Does the self-test run the model, or does it expect that every size is refused?"""
    with open(os.path.join(folder, "m_selftest.c")) as f:
        text = f.read()
    table = re.search(r"selftest_size sizes\[\] = \{(.*?)\n\};", text, re.S)[1]
    return re.search(r"\},\s*(\d+),\s*UINT64_C", table)[1] == "0"


def assumed_dims(fovea, model):
    """Options that fix the dims at what `fovea inspect` assumes."""
    done = subprocess.run([fovea, "inspect", model, "--memory", "--json"], capture_output=True, text=True, check=False)
    dims = json.loads(done.stdout).get("dims", {}) if done.returncode == 0 else {}
    return [f"--dim={name}={value}" for name, value in dims.items() if value is not None]


def enlarge(folder):
    """Gives the script for the linker the larger memories of its board."""
    script = os.path.join(folder, "m_board.ld")
    with open(script) as f:
        text = f.read()
    memory = LARGER[re.search(r"the memory of (\S+)", text)[1]]
    text = re.sub(r"MEMORY \{.*?\n\}", "MEMORY {\n    " + "\n    ".join(memory) + "\n}", text, flags=re.S)
    if memory[0].startswith("first"):
        text = text.replace(".text : { KEEP(*(.vectors)) ", ".vectors : { KEEP(*(.vectors)) } > first\n    .text : { ")
    with open(script, "w") as f:
        f.write(text)


def check(folder, target, cflags):
    """Builds and runs the self-test; returns the status and the text of make. The folder for generic32 has the board of cortex-m3."""
    more = ["CROSS=riscv64-unknown-elf-"] if target.startswith(("riscv", "esp")) else []
    try:
        done = call("make", "-s", "-C", folder, "CFLAGS=" + cflags, *more, "check", timeout=1200)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return 1, "no end after 20 minutes"


def folder_of(o, model, target, folder):
    """Writes the folder of C for a self-test that runs the model; returns the errors of Fovea."""
    for more in ([], None):
        said = compiled(o.fovea, model, target, assumed_dims(o.fovea, model) if more is None else more, folder)
        if said or runs_a_size(folder):
            return said
    return "the self-test runs no size"


def put_on_board(o, model, target, folder):
    """As folder_of; C for any machine gets Makefile, start code and script of a Cortex-M3."""
    said = folder_of(o, model, target, folder)
    if said or target != "generic32":
        return said
    board = os.path.join(folder, "board")
    said = folder_of(o, model, "cortex-m3", board)
    if not said:
        for name in ("Makefile", "m_board.c", "m_board.ld"):
            shutil.copy(os.path.join(board, name), folder)
    return said


def test(o, model, target):
    """Returns one of the words of the documentation and a text that explains it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.join(scratch, "m")
        said = put_on_board(o, model, target, folder)
        if said:
            return "refused", said.splitlines()[0]
        status, said = check(folder, target, o.cflags)
        if TOO_LARGE.search(said):
            enlarge(folder)
            status, said = check(folder, target, o.cflags)
            if TOO_LARGE.search(said):
                return "large", TOO_LARGE.search(said)[0]
        lines = [line for line in said.splitlines() if not line.startswith("make")] or [""]
        if status == 0 and "self-test, one thread: ok" in said:
            return "equal", ""
        return ("differs" if "outputs differ" in said else "fails"), next((e for e in lines if "error" in e), lines[-1])


def pairs(models, targets, rounds):
    for r in range(min(rounds, len(targets))):
        for i, model in enumerate(models):
            yield model, targets[(i + r) % len(targets)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--rounds", type=int, default=len(TARGETS))
    parser.add_argument("--largest", type=int, default=4 << 20, help="bytes of model.onnx")
    parser.add_argument("--cflags", default="-O1", help="options of the C compiler; they change no bit")
    parser.add_argument("-j", type=int, default=1)
    o = parser.parse_args()
    o.fovea = os.path.realpath(os.path.join(o.build, "tools", "fovea"))
    shared = os.path.join(os.environ.get("FOVEA_SHARED", "../shared"), "models")
    if o.models:
        files = [n if os.path.isfile(n) else os.path.join(shared, n, "model.onnx") for n in o.models]
    else:
        files = sorted(glob.glob(os.path.join(shared, "*", "model.onnx")))
        files = [f for f in files if os.path.getsize(f) <= o.largest]
    counts = {}
    with concurrent.futures.ThreadPoolExecutor(o.j) as pool:
        jobs = {pool.submit(test, o, *pair): pair for pair in pairs(files, o.targets.split(","), o.rounds)}
        for job in concurrent.futures.as_completed(jobs):
            (model, target), (word, why) = jobs[job], job.result()
            counts[word] = counts.get(word, 0) + 1
            name = os.path.basename(os.path.dirname(os.path.realpath(model)))
            print(f"{word:8} {target:14} {name}{'  ' + why if why else ''}", flush=True)
    bad = counts.get("differs", 0) + counts.get("fails", 0)
    rest = "".join(f", {counts[w]} {w}" for w in ("refused", "large") if w in counts)
    print(f"{len(files)} models{rest}; {counts.get('equal', 0)} passed, {bad} failed")
    return bad != 0 or not counts.get("equal")


if __name__ == "__main__":
    sys.exit(main())
