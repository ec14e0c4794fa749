"""Rooms: which may include which, functions in the folder whose header declares them, and no circles of more than
three sources. A source depends on another if it includes, itself or through headers, one that declares a function of
it; X.c and X.h are one. On standard input the table of rooms: `ROOM: ROOM ...`, each with the rooms that it may
include besides itself."""
import os
import re
import subprocess
import sys

MOST = 3
ROOMS = ("ir/", "ops/", "frontend/", "backend/", "passes/", "runtime/", "tools/")  # what consists of rooms
DECLARED = ("ir/", "ops/", "backend/")  # whose functions are declared in the room that defines them
# Consumers walk statements, expressions and calls of kernels by one recursion, over files that share a header.
RECURSIVE = ("backend/interp/", "backend/llvm/", "backend/c/", "ir/rule/")
failed = []
passed = 0


def check(ok, message):
    global passed
    if ok:
        passed += 1
    else:
        failed.append(message)


def sources():
    listed = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True).stdout.split()
    return {f: open(f, encoding="utf-8").read() for f in listed if f.startswith(ROOMS)}


def bare(text):
    """Without comments, strings, preprocessor lines and what is in braces."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"^[ \t]*#.*$", "", text, flags=re.M)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', "0", text)
    out, depth = [], 0
    for c in text:
        depth -= c == "}"
        if depth == 0:
            out.append("{}\n" if c == "}" else "" if c == "{" else c)
        depth += c == "{"
    return "".join(out)


FUNCTION = re.compile(r"^(?!static\b|typedef\b|extern\b)[A-Za-z_][\w \t*]*?\b(fv_\w+)\s*\(", re.M)


def functions(text, end):
    """Names of functions that are declared (end ';') or defined (end '{}') at the top level."""
    found = set()
    for m in FUNCTION.finditer(text):
        rest = text[m.end():]
        stop = re.search(r";|\{\}", rest)
        if stop and stop.group(0) == end:
            found.add(m.group(1))
    return found


def unit(f):
    return f[:-2]


def circles(edges):
    """Strongly connected components, by Tarjan."""
    index, low, stack, on, found = {}, {}, [], set(), []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        on.add(v)
        for w in edges.get(v, ()):
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in on:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            part = []
            while True:
                w = stack.pop()
                on.discard(w)
                part.append(w)
                if w == v:
                    break
            found.append(part)

    sys.setrecursionlimit(100000)
    for v in sorted(edges):
        if v not in index:
            visit(v)
    return found


def main():
    text = sources()
    includes = {f: [i for i in re.findall(r'^#include "([^"]+)"', t, re.M) if i in text] for f, t in text.items()}

    allowed = {}
    for line in sys.stdin:
        room, _, others = line.partition(":")
        if others:
            allowed[room.strip()] = set(others.split())
    for room in allowed:
        for f in text:
            if os.path.dirname(f) == room:
                for i in includes[f]:
                    there = os.path.dirname(i)
                    check(there == room or there in allowed[room] or there.split("/")[0] != room.split("/")[0],
                          "%s includes %s: %s may not" % (f, i, room))
    for f in text:
        if f.startswith(ROOMS):
            check(os.path.dirname(f) in allowed, "%s is in no room" % f)

    bodies = {f: bare(t) for f, t in text.items()}
    defined = {}
    for f in text:
        if f.endswith(".c"):
            for name in functions(bodies[f], "{}"):
                defined.setdefault(name, []).append(f)
    edges = {}
    for f in text:
        edges.setdefault(unit(f), set()).update(unit(i) for i in includes[f])
        if f.endswith(".h"):
            for name in functions(bodies[f], ";"):
                places = defined.get(name, [])
                if places and f.startswith(DECLARED):
                    check(any(os.path.dirname(p) == os.path.dirname(f) for p in places),
                          "%s is declared in %s, but defined in %s" % (name, f, places[0]))
                edges[unit(f)].update(unit(p) for p in places)
    for part in circles(edges):
        files = sorted(u + ".c" for u in part if u + ".c" in text and u.startswith(DECLARED) and not u.startswith(RECURSIVE))
        check(len(files) <= MOST, "%d files depend on each other: %s" % (len(files), " ".join(files)))

    for message in failed:
        print("FAILED", message)
    print("%d passed, %d failed" % (passed, len(failed)))
    return 1 if failed else 0


sys.exit(main())
