"""The examples of documents without memory: whichever allocation of `fovea` fails, alone or with all after it, it ends with status
0 or 1, and 1 has a message. Some of many allocations are tried. Usage: examples.py BUILD PRELOAD FILE.md...
Ends with `N passed, N failed`."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "checks"))
import documents

WRAPPER = """#!/bin/sh
[ -z "$FAIL_AT" ] && exec "$FOVEA" "$@"
LD_PRELOAD=$FAIL_LIBRARY "$FOVEA" "$@" 2>"$FAIL_FOLDER/err" >"$FAIL_FOLDER/out"
echo "$?" >>"$FAIL_FOLDER/statuses"
[ -s "$FAIL_FOLDER/err" ] && echo told >>"$FAIL_FOLDER/told"
cat "$FAIL_FOLDER/out"
cat "$FAIL_FOLDER/err" >&2
"""


def read(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return f.read().split()


def once(command, where, env, at, onwards):
    """What is wrong, or None; and whether an allocation failed."""
    notes = env["FAIL_FOLDER"]
    for name in ("statuses", "told", "report"):
        if os.path.exists(os.path.join(notes, name)):
            os.remove(os.path.join(notes, name))
    env = dict(env, FAIL_AT=str(at), FAIL_ON=str(onwards), FAIL_REPORT=os.path.join(notes, "report"))
    subprocess.run(["bash", "-c", command.text], cwd=where, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=300)
    statuses = [int(s) for s in read(notes, "statuses")]
    happened = read(notes, "report") == ["1"]
    bad = [s for s in statuses if s not in (0, 1)]
    if bad and happened:
        return "status %d" % bad[0], happened
    if 1 in statuses and happened and not read(notes, "told") and not os.path.getsize(os.path.join(notes, "out")):
        return "status 1 without a word", happened
    return None, happened


def each(command, where, env):
    """The first thing that is wrong."""
    for onwards in (0, 1):
        at, happened = 1, True
        while happened:
            wrong, happened = once(command, where, env, at, onwards)
            if wrong:
                return "allocation %d (%d): %s" % (at, onwards, wrong)
            at += 1 + 2 * at
    return None


def check(path, root, build, preload):
    with open(path) as f:
        lines = f.read().splitlines()
    folder, env = documents.place(root, build)
    passed = failed = 0
    with folder as where:
        notes, tools = os.path.join(where, ".notes"), os.path.join(where, ".tools")
        os.mkdir(notes)
        os.mkdir(tools)
        with open(os.path.join(tools, "fovea"), "w") as f:
            f.write(WRAPPER)
        os.chmod(os.path.join(tools, "fovea"), 0o755)
        env.update(FOVEA=os.path.join(build, "tools", "fovea"), FAIL_LIBRARY=preload, FAIL_FOLDER=notes, PATH=tools + ":" + env["PATH"])
        for kind, start, body in documents.blocks(lines):
            named = documents.NAME.match(body[0]) if body else None
            if named and kind != "console":
                with open(os.path.join(where, named.group(1)), "w") as f:
                    f.write("\n".join(body) + "\n")
            for c in documents.commands(start, body) if kind == "console" else []:
                wrong = each(c, where, env) if "fovea" in c.text else None
                documents.run(c, where, env)  # what the next ones build on
                passed, failed = passed + (wrong is None), failed + (wrong is not None)
                if wrong:
                    print("FAILED %s:%d: $ %s: %s" % (os.path.relpath(path, root), c.line + 1, c.text, wrong))
    return passed, failed


def main():
    build, preload = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
    root = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    counts = [check(os.path.realpath(path), root, build, preload) for path in sys.argv[3:]]
    passed, failed = sum(c[0] for c in counts), sum(c[1] for c in counts)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
