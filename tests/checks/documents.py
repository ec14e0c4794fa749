"""Is what the documents show true? Usage: documents.py [--kinds=console,text] BUILD FILE.md...

In a fenced block of kind `console`, a line that begins with `$ ` is a command, the lines below it
are what it prints; lines that begin with `> ` continue the command. A block whose first line is a
comment that names a file (`/* hello.c - ...`, `# dense.fvir: ...`, `-- pass.lua: ...`) is that file. The blocks of a
document are run in their order, in one folder, where everything of the project is found under its
name, and `fovea` and its libraries are the ones in BUILD.

Other kinds of blocks are read as such only where --kinds says so.
A line `...` stands for any lines. Sizes (`407 kB`) are not compared. With FOVEA_UPDATE_GOLDENS set,
what is printed now replaces what the document shows, where that has no `...`.
Ends with `N passed, N failed`."""
import os
import re
import subprocess
import sys
import tempfile

FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
NAME = re.compile(r"^(?:/\*|#|//|--) ([\w.-]+\.(?:c|h|cpp|fvir|fvk|fvd|lua|rules|txt))\b")
HEADERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../runtime")
SIZE = re.compile(r"\b[\d.]+ (?:bytes|kB|MB|GB)")


class Command:
    def __init__(self, line, text):
        self.line, self.text, self.expected, self.actual = line, text, [], []


def blocks(lines):
    """Yields (kind, first line, lines) of every fenced block."""
    kind = start = None
    for i, line in enumerate(lines):
        m = FENCE.match(line)
        if m and kind is None:
            kind, start = m.group(2), i + 1
        elif m and kind is not None:
            yield kind, start, lines[start:i]
            kind = None


def commands(start, body):
    found = []
    for i, line in enumerate(body):
        if line.startswith("$ "):
            found.append(Command(start + i, line[2:]))
        elif line.startswith("> ") and found and not found[-1].expected:
            found[-1].text += "\n" + line[2:]
        elif found:
            found[-1].expected.append(line)
    return found


def same(expected, actual):
    """Lines, in which `...` stands for any number of lines."""
    if not expected:
        return not actual
    if expected[0].strip() == "...":
        return any(same(expected[1:], actual[i:]) for i in range(len(actual) + 1))
    return bool(actual) and expected[0] == actual[0] and same(expected[1:], actual[1:])


def plain(lines):
    lines = [re.sub(r"\s+", " ", SIZE.sub("SIZE", line)).rstrip() for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def place(root, build):
    """A folder in which the project's entries stand under their names."""
    folder = tempfile.TemporaryDirectory(prefix="fovea-docs-")
    for entry in os.listdir(root):
        if entry not in ("build", ".git"):
            os.symlink(os.path.join(root, entry), os.path.join(folder.name, entry))
    tools = os.path.join(build, "tools")
    libraries = tools + ":" + os.path.join(build, "runtime")
    env = dict(os.environ, FOVEA_CACHE_DIR="", PATH=tools + ":" + os.environ["PATH"], LD_LIBRARY_PATH=libraries,
               LIBRARY_PATH=libraries, CPATH=HEADERS, NO_COLOR="1", LC_ALL="C")
    for name in ("FOVEA_FLAGS", "FOVEA_NUM_THREADS"):
        env.pop(name, None)
    return folder, env


def run(command, folder, env):
    """Its lines of output, and whether it went as it should."""
    done = subprocess.run(["bash", "-c", command.text], cwd=folder, env=env, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    command.actual = done.stdout.splitlines()
    if done.returncode and not command.actual:  # a failure that says nothing
        command.actual.append("(status %d)" % done.returncode)
    return same(plain(command.expected), plain(command.actual))


def update(lines, wrong):
    """The document with the outputs of these commands as they are now; from the end on, so that line
    numbers stay right."""
    for c in sorted(wrong, key=lambda c: -c.line):
        at = c.line + 1 + c.text.count("\n")
        lines[at:at + len(c.expected)] = c.actual
    return lines


def check(path, root, build, kinds):
    with open(path) as f:
        lines = f.read().splitlines()
    folder, env = place(root, build)
    passed, wrong = 0, []
    with folder as where:
        for kind, start, body in blocks(lines):
            named = NAME.match(body[0]) if body else None
            if named and kind not in kinds:
                with open(os.path.join(where, named.group(1)), "w") as f:
                    f.write("\n".join(body) + "\n")
            for c in commands(start, body) if kind in kinds else []:
                if run(c, where, env):
                    passed += 1
                    continue
                wrong.append(c)
                print("FAILED %s:%d: $ %s\n-- it shows\n%s\n-- now it is\n%s" % (
                    os.path.relpath(path, root), c.line + 1, c.text, "\n".join(c.expected), "\n".join(c.actual)))
    can = [c for c in wrong if "..." not in [x.strip() for x in c.expected]]
    if os.environ.get("FOVEA_UPDATE_GOLDENS") and can:
        with open(path, "w") as f:
            f.write("\n".join(update(lines, can)) + "\n")
        print("updated %s" % os.path.relpath(path, root))
    return passed, len(wrong)


def main():
    args = sys.argv[1:]
    kinds = args.pop(0)[len("--kinds="):].split(",") if args[0].startswith("--kinds=") else ["console"]
    build, files = os.path.abspath(args[0]), args[1:]
    root = os.getcwd()
    results = [check(os.path.abspath(f), root, build, kinds) for f in files]
    failed = sum(r[1] for r in results)
    print("%d passed, %d failed" % (sum(r[0] for r in results), failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
