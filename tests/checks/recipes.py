"""Follows docs/extending.md in the current folder: each block of code goes where the text says.
Usage: recipes.py FILE.md"""
import os
import re
import sys


def blocks(text):
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)


def the(found, what):
    if len(found) != 1:
        sys.exit("%d blocks hold %s, expected one" % (len(found), what))
    return found[0]


def block(all_blocks, kind, start):
    return the([b for k, b in all_blocks if k == kind and re.match(start, b)], "%s at %s" % (kind, start))


def edit(path, pattern, replacement):
    with open(path) as f:
        text = f.read()
    new, n = re.subn(pattern, replacement, text, count=1)
    if n != 1:
        sys.exit("%s: there is no place for what is added" % path)
    with open(path, "w") as f:
        f.write(new)


def append(path, text):
    with open(path, "a") as f:
        f.write(text)


def new_file(path, text, listed_in, beside):
    """A source file, and its line in the list of its folder."""
    with open(path, "w") as f:
        f.write(text)
    name = os.path.relpath(path, os.path.dirname(listed_in))
    edit(listed_in, r"  '%s',\n" % beside, lambda m: m.group(0) + "  '%s',\n" % name)


def main():
    with open(sys.argv[1]) as f:
        b = blocks(f.read())
    for name in "Snake", "Centred":
        op = block(b, "c", r'\s*\{\.domain = "com.example", \.name = "%s"' % name)
        edit("ops/elementwise/activation.c", r"\n+    \{0\}\};", lambda m: "\n" + op + m.group(0))
    append("ops/nn/norm.fvx", "\n" + block(b, "text", r"# x less"))
    append("passes/simplify.rules", block(b, "text", "rule "))
    append("passes/passes.def", block(b, "text", "PASS"))
    new_file("passes/constants_right.c", block(b, "c", r"/\* constants_right.c"), "passes/meson.build", "dead.c")
    edit("backend/schedule/schedules.def", r"SCHEDULE\(contract, .*\n(SCHEDULE.*\n)*", lambda m: block(b, "text", r"SCHEDULE\(contract, "))
    small = block(b, "text", r"SCHEDULE\(small, ")
    edit("ir/schedule/schedules.def", r"SCHEDULE\(custom", lambda m: small + m.group(0))
    edit("backend/lowering/why.def", r'WHY\(together, "map"', lambda m: block(b, "text", "WHY.rows_small") + m.group(0))
    new_file("backend/schedule/rows/small.c", block(b, "c", r"/\* small.c"), "backend/meson.build", "schedule/rows/map.c")
    target = block(b, "c", "TARGET")
    edit("ir/target/target.def", r'TARGET\("x86-64-v4"', lambda m: target + m.group(0))


main()
