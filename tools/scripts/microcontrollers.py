#!/usr/bin/env python3
"""microcontrollers.py --fovea=BUILD/tools/fovea [--onnx2c=PROGRAM] [--emx=COMMAND]: flash, RAM and instructions of models on an emulated
Cortex-M4, as C of Fovea, onnx2c and emx-onnx-cgen.

The models are those of examples/keywords and examples/anomaly, as f32 and quantized to int8. emx is a command that takes the arguments
`compile MODEL.onnx OUT.c`, such as `python3 -m emx_onnx_cgen`. All C is compiled by arm-none-eabi-gcc with the same options and linked
with the same start code and newlib. Flash is that of a program with the model minus that of the same program without it, so it has the
functions of the C library that the model needs. RAM is the memory of variables and the workspace, and the stack, which the program
fills with a pattern before the run. QEMU counts instructions, as tools/scripts/instructions.py explains."""
import argparse
import os
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BOARD = os.path.join(ROOT, "examples/board")
GCC = "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -w".split()
QEMU = ("qemu-system-arm -M mps2-an386 -display none -monitor none -serial none -semihosting-config enable=on,target=native "
        "-icount shift=0 -kernel").split()
STACK = 3000000  # bytes below the frame of main that are filled with the pattern

PROGRAM = """
#include "bare.h"
@DECLARATIONS@
static const @TYPE@ in[] = {@INPUT@};
static float out[@COUNT@];

int main(void) {
#ifdef WITH_MODEL
    volatile unsigned char here, *frame = &here;
    int used = @STACK@ - 1;
    for (int i = 64; i < @STACK@; i++)
        frame[-i] = 0xa5;
    count_from_here();
    @CALL@;
    uint32_t n = counted();
    while (used > 64 && frame[-used] == 0xa5)
        used--;
    print("run ");
    print_number(n, 0);
    print(" ");
    print_number((uint32_t)used, 0);
    for (int i = 0; i < @COUNT@; i++) {
        print(" ");
        print_number(((union {float f; uint32_t u; }){out[i]}).u, 0);
    }
    print("\\n");
#else
    print((const char *)in); /* the program has the arrays, too */
    print((const char *)out);
    print_number(counted(), 0);
#endif
    return 0;
}
"""


def sizes(image):
    """Bytes of flash and of variables."""
    said = subprocess.run(["arm-none-eabi-size", "-A", "-d", image], check=True, capture_output=True, text=True).stdout
    of = {line.split()[0]: int(line.split()[1]) for line in said.splitlines() if line.startswith(".")}
    return sum(of.get(s, 0) for s in (".text", ".ARM.exidx", ".data")), of.get(".data", 0) + of.get(".bss", 0)


def generate(given, tool, model, level, scratch):
    """Writes model.c; returns declarations and the call of a run."""
    out = os.path.join(scratch, "model.c")
    if tool == "Fovea":
        subprocess.run([given.fovea, "compile", model, "--target=cortex-m4", level, "-q", "-o", out], check=True)
        return ('#include "model.h"\nMODEL_ALIGNED static unsigned char work[MODEL_WORKSPACE_BYTES + 1];',
                "model_run((const void *)in, (void *)out, work)")
    if tool == "onnx2c":
        with open(out, "w") as f:
            subprocess.run([given.onnx2c, model], check=True, stdout=f, stderr=subprocess.DEVNULL)
        return "void entry();", "entry(in, out)"
    # temporaries on the stack, weights in the source
    subprocess.run([*given.emx.split(), "compile", model, out, "--large-weight-threshold=0", "--large-temp-threshold=0"],
                   check=True, stdout=subprocess.DEVNULL)
    return "void model();", "model(in, out)"


def measure(given, tool, model, data, level):
    """Flash, RAM, instructions, and the outputs."""
    x = numpy_helper.to_array(onnx.load_tensor(os.path.join(data, "input_0.pb")))
    count = int(np.prod([d.dim_value for d in onnx.load(model).graph.output[0].type.tensor_type.shape.dim]))
    with tempfile.TemporaryDirectory() as scratch:
        declarations, call = generate(given, tool, model, level, scratch)
        values = {"DECLARATIONS": declarations, "CALL": call, "TYPE": "float", "COUNT": str(count), "STACK": str(STACK),
                  "INPUT": ", ".join(float(v).hex() + "f" for v in x.ravel())}
        at = {name: os.path.join(scratch, name) for name in ("main.c", "model.c", "model.o", "with", "without")}
        with open(at["main.c"], "w") as f:
            f.write(re.sub("@([A-Z]+)@", lambda m: values[m[1]], PROGRAM))
        subprocess.run([given.fovea, "compile", model, "--target=cortex-m4", "-q", "-o", scratch + "/board/"], check=True)
        script = os.path.join(scratch, "board/board_board.ld")
        subprocess.run([*GCC, level, "-ffunction-sections", "-fdata-sections", "-c", at["model.c"], "-o", at["model.o"]], check=True)
        for name, define in (("with", ["-DWITH_MODEL"]), ("without", [])):
            subprocess.run([*GCC, "-O2", *define, "-I", BOARD, "-I", scratch, at["main.c"], os.path.join(BOARD, "bare.c"),
                            at["model.o"], "-nostartfiles", "-Wl,--gc-sections", "-T", script, "-o", at[name], "-lm", "-lc", "-lgcc"],
                           check=True)
        said = subprocess.run([*QEMU, at["with"]], capture_output=True, text=True, timeout=600)
        found = re.search(r"run (\d+) (\d+)((?: \d+)+)", said.stdout + said.stderr)
        if not found:
            sys.exit(f"microcontrollers.py: {tool}, {model}: the run failed: {said.stdout}{said.stderr}")
        flash, ram = (a - b for a, b in zip(sizes(at["with"]), sizes(at["without"])))
        outputs = struct.unpack(f"{count}f", struct.pack(f"{count}I", *map(int, found[3].split())))
        return flash, ram + int(found[2]), int(found[1]), np.array(outputs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fovea", required=True)
    parser.add_argument("--onnx2c")
    parser.add_argument("--emx")
    parser.add_argument("--level", default="-O2", choices=["-O2", "-Os"], help="of Fovea and of the C compiler")
    given = parser.parse_args()
    tools = ["Fovea"] + (["onnx2c"] if given.onnx2c else []) + (["emx-onnx-cgen"] if given.emx else [])
    print("| model | | flash, kB | RAM, kB | instructions |\n| --- | --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("keywords", "anomaly"):
            model, data = os.path.join(ROOT, "examples", name, name + ".onnx"), os.path.join(ROOT, "examples", name, "test")
            narrow = os.path.join(scratch, name + "8.onnx")
            subprocess.run([given.fovea, "quantize", model, "--calibrate=" + data, "-q", "-o", narrow], check=True)
            for kind, file in (("f32", model), ("int8", narrow)):
                first = None
                for tool in tools:
                    flash, ram, n, outputs = measure(given, tool, file, os.path.join(data, "test_data_set_1"), given.level)
                    first = outputs if first is None else first
                    away = np.abs(outputs - first).max()
                    if away > 1e-3:
                        sys.exit(f"microcontrollers.py: {tool}, {name}, {kind}: an output differs by {away}")
                    print(f"| {name}, {kind} | {tool} | {flash / 1000:.1f} | {ram / 1000:.1f} | {n:,} |", flush=True)


if __name__ == "__main__":
    main()
