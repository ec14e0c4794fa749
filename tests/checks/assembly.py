"""assembly.py F.s: tells the innermost loops of functions NAME.tile that move vectors about or load many addresses from
the stack, and those of any function that convert lanes of f16 one by one or fill memory element by element; status 1 where there are any, or where there is no loop of NAME.tile at all, as then
the check itself does not work.

assembly.py LIST.s TARGET F.s: LIST.s has code for several targets, F.s for TARGET alone. Status 1 if the code for TARGET in
LIST.s puts more elements into vectors one by one than F.s, by instructions that gather or insert one element, or if LIST.s
has no such code. Panels that targets share must be read in whole vectors."""
import re
import sys

MULTIPLY_ADD = re.compile(r"vfn?m(add|sub)")
MOVE = re.compile(r"vmov\w+\s+%[xyz]mm\d+, %[xyz]mm\d+$")
STACK = re.compile(r"\(%rsp")
VECTOR = re.compile(r"%[xyz]mm")
ADDRESS = re.compile(r"movq\s+-?\d*\(%rsp\), %r")
WIDENS_ONE = re.compile(r"vcvtph2ps\s+%xmm\d+, %xmm\d+$")
SINGLE = re.compile(r"\tv?(p?gather\w+|pinsr[bwdq]|insertps)\s")
FILLS_ONE = re.compile(r"mov[bwlq]\s+(\$-?\d+|%[er]?\w+), \S*\(.*%rsp.*\)$")
NARROWS_ONE = re.compile(r"vcvtps2ph\s+\$\d+, %xmm\d+, %xmm\d+$")


def innermost_loops(lines):
    """(function, first line, last line) of each loop that has none in it."""
    labels, loops, function = {}, [], ""
    for at, line in enumerate(lines):
        label = re.match(r"([\w.$\"@/:-]+):", line)
        if label:
            labels[label.group(1)] = at
            if not label.group(1).startswith(".L"):
                function = label.group(1)
        jump = re.match(r"\s+j\w+\s+(\.L\w+)", line)
        if jump and jump.group(1) in labels:
            loops.append((function, labels[jump.group(1)], at))
    return [a for a in loops if not any(b is not a and a[1] <= b[1] and b[2] <= a[2] for b in loops)]


def single_halves(code):
    """The number of f16 that a loop converts to f32 alone, or four at a time: those that were rounded to f16 just before do not
    count."""
    return sum(bool(WIDENS_ONE.match(s)) for s in code) - sum(bool(NARROWS_ONE.match(s)) for s in code)


def single_elements(path, target):
    """The number of instructions of the kernels for the target that gather elements or insert one, and of all their
    instructions. target "": all functions."""
    single = every = 0
    inside = not target
    with open(path) as f:
        for line in f:
            label = re.match(r'"?([^.\s"][^\s"]*)"?:', line)
            if label and target:
                inside = re.search(re.escape("." + target) + r"(\.|$)", label.group(1)) is not None
            elif inside and line.startswith("\t") and not line.startswith("\t."):
                every += 1
                single += SINGLE.match(line) is not None
    return single, every


def compare(path, target, alone):
    several, every = single_elements(path, target)
    one, _ = single_elements(alone, "")
    if several > one or not every:
        print(f"{path}: {several} elements are gathered or inserted for {target}, {one} in {alone}; of {every} instructions")
    return several > one or not every


def main(path):
    with open(path) as f:
        lines = f.read().split("\n")
    seen = wrong = 0
    for function, first, last in innermost_loops(lines):
        code = [s.strip() for s in lines[first:last + 1] if s.startswith("\t") and not s.startswith("\t.")]
        sums = sum(bool(MULTIPLY_ADD.match(s)) for s in code)
        if single_halves(code) > 3:
            wrong += 1
            print(f"{function}: a loop converts {single_halves(code)} f16 one by one")
        if len(code) <= 4 and any(FILLS_ONE.match(s) for s in code):
            wrong += 1
            print(f"{function}: a loop fills memory of the stack element by element")
        if ".tile" not in function or sums < 4:
            continue
        seen += 1
        moves = sum(bool(MOVE.match(s)) for s in code)
        spills = sum(bool(STACK.search(s) and VECTOR.search(s)) for s in code)
        if moves or spills:
            wrong += 1
            print(f"{function}: a loop of {sums} multiply-adds has {moves} moves between registers, {spills} to the stack or from it")
        addresses = sum(bool(ADDRESS.match(s)) for s in code)
        if addresses * 8 > sums:
            wrong += 1
            print(f"{function}: a loop of {sums} multiply-adds loads {addresses} addresses from the stack")
    if not seen:
        print("there is no loop of a contraction")
    return wrong > 0 or not seen


sys.exit(compare(*sys.argv[1:4]) if len(sys.argv) == 4 else main(sys.argv[1]))
