"""Are the blocks of the documents run? Usage: blocks.py LIST FILE.md...

Blocks of kind `console` are run, those that begin with the name of a file are written for them (documents.py). Python of
README.md and docs/python.md is run by tests/python, and all of docs/extending.md by extending.sh. Any other block is in
LIST: a line has a document, the beginning of the block's first line, and the reason why it is not run. Prints blocks that
are missing there, and lines of LIST without a block; ends with `N passed, N failed`."""
import sys

from documents import NAME, blocks


def is_run(path, kind, body):
    if kind == "console" or (body and NAME.match(body[0])) or path == "docs/extending.md":
        return True
    return kind == "python" and path in ("README.md", "docs/python.md")


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        listed = [[x.strip() for x in line.split(" | ")] for line in f if line.strip() and not line.startswith("#")]
    used, passed, failed = set(), 0, 0
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
        for kind, start, body in blocks(lines):
            first = body[0].strip() if body else ""
            why = [i for i, x in enumerate(listed) if x[0] == path and first.startswith(x[1])]
            if is_run(path, kind, body) or why:
                used.update(why)
                passed += 1
            else:
                failed += 1
                print("FAILED %s:%d: no test runs this block, and %s has no reason for it: %s" % (path, start, sys.argv[1], first))
    for i, x in enumerate(listed):
        if i not in used or len(x) != 3:
            failed += 1
            print("FAILED %s: there is no such block, or no reason: %s" % (sys.argv[1], " | ".join(x)))
    print("%d passed, %d failed" % (passed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
