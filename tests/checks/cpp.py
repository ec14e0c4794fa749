"""Writes the examples of a document as one source in C++. Usage: cpp.py FILE.md SUFFIX FOVEA OUT.cpp [NAME]

Takes the fenced blocks whose first line is a comment that names a file with SUFFIX (c, cpp); with NAME only the one of that name.
Each becomes a namespace, in which `main` has another name, so one run of a compiler checks all of them. Headers that they include
and that Fovea generates are written next to OUT.cpp, by the commands that the document shows.
Prints the number of examples."""
import os
import re
import shlex
import subprocess
import sys

BLOCK = re.compile(r"^```\w*\n(?:/\*|//|#) ([\w-]+)\.(\w+)\b(.*?)^```$", re.M | re.S)
INCLUDE = re.compile(r'^#include ["<](.+)[">]\n', re.M)


def generate(document, name, fovea, folder):
    """Writes NAME.h and what belongs to it."""
    command = re.search(r"^\$ (fovea compile %s\.fvir .*-o %s\.c)$" % (name, name), document, re.M).group(1)
    text = next(m.group(0) for m in BLOCK.finditer(document) if m.group(1, 2) == (name, "fvir"))
    with open(os.path.join(folder, name + ".fvir"), "w") as f:
        f.write("\n".join(text.split("\n")[1:-1]) + "\n")
    subprocess.run([fovea] + shlex.split(command)[1:], cwd=folder, check=True)


def main():
    path, suffix, fovea, out = sys.argv[1:5]
    only = sys.argv[5] if len(sys.argv) > 5 else None
    with open(path) as f:
        document = f.read()
    includes, parts = [], []
    for m in BLOCK.finditer(document):
        name, kind, text = m.group(1), m.group(2), m.group(3)
        if kind != suffix or (only and name != only):
            continue
        text = text.split("*/\n" if suffix == "c" else "\n", 1)[1]
        for header in INCLUDE.findall(text):
            quoted = '#include "%s"' % header
            if quoted in text and quoted not in includes:
                generate(document, header[:-2], os.path.abspath(fovea), os.path.dirname(os.path.abspath(out)))
            line = quoted if quoted in text else "#include <%s>" % header
            includes += [line] if line not in includes else []
        text = INCLUDE.sub("", text).replace("int main(", "int main_%d(" % len(parts))
        parts.append("namespace example_%d {\n%s}\n" % (len(parts), text))
    with open(out, "w") as f:
        f.write("\n".join(includes) + "\n" + "\n".join(parts))
    print(len(parts))


main()
