"""assembly.py F.s: tells the innermost loops of functions NAME.tile that move vectors about; status 1 where there are
any, or where there is no such loop at all, as then the check itself does not work."""
import re
import sys

MULTIPLY_ADD = re.compile(r"vfn?m(add|sub)")
MOVE = re.compile(r"vmov\w+\s+%[xyz]mm\d+, %[xyz]mm\d+$")
STACK = re.compile(r"\(%rsp")
VECTOR = re.compile(r"%[xyz]mm")


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


def main(path):
    with open(path) as f:
        lines = f.read().split("\n")
    seen = wrong = 0
    for function, first, last in innermost_loops(lines):
        code = [s.strip() for s in lines[first:last + 1] if s.startswith("\t") and not s.startswith("\t.")]
        sums = sum(bool(MULTIPLY_ADD.match(s)) for s in code)
        if ".tile" not in function or sums < 4:
            continue
        seen += 1
        moves = sum(bool(MOVE.match(s)) for s in code)
        spills = sum(bool(STACK.search(s) and VECTOR.search(s)) for s in code)
        if moves or spills:
            wrong += 1
            print(f"{function}: a loop of {sums} multiply-adds has {moves} moves between registers, {spills} to the stack or from it")
    if not seen:
        print("there is no loop of a contraction")
    return wrong > 0 or not seen


sys.exit(main(sys.argv[1]))
