"""Circles of calls between files of one folder, from the symbols of object files: calls.py BUILD. A file depends on another
if its object needs a symbol that the other defines. Circles that are known are in calls.txt, with
the reason: they may get smaller, but not larger, and a line without a circle is an error."""
import os
import subprocess
import sys

PARTS = ("ir/", "ops/", "frontend/", "backend/", "passes/", "runtime/", "tools/")


def objects(build):
    """Source file -> object file, of the library and of the command."""
    found = {}
    for folder in ("tools/libfovea-all.a.p", "tools/libfovea-lua.a.p", "tools/fovea.p"):
        path = os.path.join(build, folder)
        for name in os.listdir(path) if os.path.isdir(path) else ():
            if name.endswith(".c.o"):
                found[name[:-2]] = os.path.join(path, name)
    sources = subprocess.run(["git", "ls-files", "*.c"], capture_output=True, text=True, check=True).stdout.split()
    result = {}
    for f in sources:
        if f.startswith(PARTS):
            for key in (".._" + f.replace("/", "_"), f[6:].replace("/", "_") if f.startswith("tools/") else ""):
                if key in found:
                    result[f] = found[key]
    return result


def symbols(objects):
    """Of each source file the symbols that its object defines, and those that it needs."""
    known = {f: (set(), set()) for f in objects}
    source = {o: f for f, o in objects.items()}
    out = subprocess.run(["nm", "-A", *source], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        path, symbol = line.split(":", 1)
        kind, name = symbol.split()[-2:]
        defined, needed = known[source[path]]
        (needed if kind == "U" else defined if kind in "TDRBVW" else set()).add(name)
    return known


def circles(edges):
    reach = {}
    for v in edges:
        seen, stack = set(), [v]
        while stack:
            for w in edges[stack.pop()]:
                if w not in seen:
                    seen.add(w)
                    stack.append(w)
        reach[v] = seen
    done, found = set(), []
    for v in sorted(edges):
        if v not in done and v in reach[v]:
            part = sorted(w for w in reach[v] if v in reach[w])
            done.update(part)
            if len(part) > 1:
                found.append(part)
    return found


def allowed():
    lines = open(os.path.join(os.path.dirname(__file__), "calls.txt"), encoding="utf-8").read().splitlines()
    return {w[1]: int(w[0]) for w in (x.split(None, 2) for x in lines if not x.startswith("#"))}


def main():
    known = symbols(objects(sys.argv[1]))
    where = {name: f for f, (defined, _) in known.items() for name in defined}
    most, passed, failed = allowed(), 0, []
    unused = set(most)
    for folder in sorted(set(os.path.dirname(f) for f in known)):
        edges = {f: {where[n] for n in known[f][1] if n in where and os.path.dirname(where[n]) == folder} - {f}
                 for f in known if os.path.dirname(f) == folder}
        found = circles(edges)
        for part in found:
            listed = [f for f in part if f in most]
            unused.difference_update(listed)
            if len(part) > max([most[f] for f in listed], default=1):
                failed.append("%d files call each other: %s" % (len(part), " ".join(part)))
        passed += 1
    failed += ["calls.txt: %s is in no circle" % f for f in sorted(unused)]
    for message in failed:
        print("FAILED", message)
    print("%d passed, %d failed" % (passed, len(failed)))
    return 1 if failed or not known else 0


sys.exit(main())
