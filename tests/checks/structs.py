"""Structs of more than 15 members: structs.py. A struct with more is several structs, each of which has a name and a
comment. Members of structs and unions without a name count; a struct as a member counts as one. The structs of the public
interface, runtime/fovea.h, are exempt. Known exceptions are in structs.txt, with the reason: they may get smaller, but not
larger, and a line without such a struct, or with another number, is an error."""
import os
import re
import subprocess
import sys

PARTS = ("ir", "ops", "frontend", "backend", "passes", "runtime", "tools")
MOST = 15


def blank(m):
    return re.sub(r"[^\n]", " ", m.group())


def code(text):
    """The text without comments, strings and lines of the preprocessor; lines keep their numbers."""
    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", blank, text, flags=re.M)


def body(text, at):
    """The text from `at` to before the brace that closes it."""
    depth, i = 1, at
    while depth and i < len(text):
        depth += (text[i] == "{") - (text[i] == "}")
        i += 1
    return text[at:i - 1]


def split(text, separator):
    """Pieces between separators that are in no brackets."""
    depth, start, pieces = 0, 0, []
    for i, c in enumerate(text):
        depth += (c in "{([") - (c in "})]")
        if c == separator and not depth:
            pieces.append(text[start:i])
            start = i + 1
    return pieces + [text[start:]]


def members(text):
    n = 0
    for declaration in split(text, ";"):
        inner = re.search(r"\b(?:struct|union)\s*\w*\s*\{", declaration)
        if not declaration.strip():
            continue
        if inner:
            inside = body(declaration, inner.end())
            names = declaration[inner.end() + len(inside) + 1:]
            n += len(split(names, ",")) if names.strip() else members(inside)
        else:
            n += len(split(declaration, ","))
    return n


def structs(path):
    """(name, line, members) of each struct."""
    text = code(open(path, encoding="utf-8").read())
    for m in re.finditer(r"\bstruct\s*(\w*)\s*(?:FV_\w+\s*)?\{", text):
        inside = body(text, m.end())
        after = re.match(r"\}\s*\**(\w*)", text[m.end() + len(inside):])
        yield m.group(1) or (after.group(1) if after else ""), text.count("\n", 0, m.start()) + 1, members(inside)


def allowed():
    lines = open(os.path.join(os.path.dirname(__file__), "structs.txt"), encoding="utf-8").read().splitlines()
    return {(w[1], w[2]): int(w[0]) for w in (x.split(None, 3) for x in lines if not x.startswith("#"))}


def main():
    patterns = [f"{part}/*.{suffix}" for part in PARTS for suffix in "ch"]
    files = subprocess.run(["git", "ls-files", *patterns], capture_output=True, text=True, check=True).stdout.split()
    most, n, failed = allowed(), 0, []
    unused = set(most)
    for path in files:
        if path == "runtime/fovea.h":
            continue
        for name, line, count in structs(path):
            n += 1
            unused.discard((path, name) if count > MOST else None)
            limit = most.get((path, name), MOST)
            if count > limit:
                failed.append(f"{path}:{line}: struct {name} has {count} members, more than {limit}")
            elif MOST < count < limit:
                failed.append(f"structs.txt: {name} of {path} has {count} members by now, not {limit}")
    failed += [f"structs.txt: {name} of {path} is no struct of more than {MOST} members" for path, name in sorted(unused)]
    if n < 500:
        failed.append(f"only {n} structs were found")
    print("\n".join(failed) if failed else f"{n} structs")
    return bool(failed)


sys.exit(main())
