"""Do comments and documents name what exists? Usage: names.py [--planted=FILE] BUILD

Three kinds of names are looked for in comments of sources and in documents (*.md):

- files: `manager.c`, `passes/manager.c`. Some tracked file, a file that the build in BUILD makes, or a header that a source
  includes has that name, or a path that ends so. A `*` stands for anything, a stem in capitals (`NAME.c`) for any name. A document
  may name the files that its own blocks write;
- identifiers: `fv_op`, `FV_OK`, `FOVEA_SHARED`. They occur in sources outside of comments, or are pasted together there: where a
  source has `FV_WHY_##id`, FV_WHY_x is known if x is a word of a table (*.def) or of a document's own blocks. `fv_x_*` and
  `fv_pass_ID` stand for all names with that beginning;
- options: `--dim`. Behind `fovea COMMAND` in the same span of code it is an option of that command, by `fovea COMMAND --help`;
  elsewhere that of any command, or one that occurs in the code of a script or a program of ours.

Where the README of a folder has a table, the files that a row begins with are in that folder.

What is wrong in FILE, of which nothing is expected to be right, is printed as PLANTED and not counted.
Ends with `N passed, N failed`."""
import bisect
import fnmatch
import json
import os
import re
import subprocess
import sys

FILE = re.compile(r"(?<![\w./@$\\%-])((?:[\w*-]+/)*[\w*-]+(?:\.[\w*-]+)*\.(?:c|h|def|lua|sh|py|md|hpp|cpp|fvk|fvx|fvt|rules|proto|map|patch|supp))(?![\w/(-]|\.\w)")
NAME = re.compile(r"(?<![\w`.-])((?:fv|FV|FOVEA)_\w+\*?)|(?<=`)((?:fv|FV|FOVEA)_\w+\*?)")
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9]+(?:-[a-z0-9]+)*)(?![\w(])")
PASTED = re.compile(r"\b((?:fv|FV|FOVEA)_\w*?)\s*##")
INCLUDED = re.compile(r"^\s*#\s*include <([^>]+)>", re.M)
WRITTEN = re.compile(r"(?:-o |> ?|--\w+=)([\w./-]+\.\w+)|^(?:/\*|#|//|--) ([\w.-]+\.\w+)\b", re.M)
FENCE = re.compile(r"^[ \t]*```(\w*)[ \t]*$\n(.*?)^[ \t]*```[ \t]*$", re.M | re.S)
SPAN = re.compile(r"`([^`]+)`|^ {4}(.+)$", re.M)
SHOWN = re.compile(r"^[ \t]*\$ (.+)$", re.M)
ADDED = re.compile(r"^\+\+\+ b/(.+)$", re.M)
COMMAND = re.compile(r"\bfovea (\w+)((?:(?!\bfovea\b)[^|;&])*)")
TABLES = (".def", ".rules")
OTHERS = re.compile(r"`(?:git|gcc|cc|clang|meson|ninja|npm|objdump|perf|pkg-config|truncate|valgrind) [^`]*`")  # tools that are not ours
HASH = (".sh", ".py", ".fvk", ".fvx", ".fvt", ".rules", ".build")

C_TEXT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
LUA_TEXT = re.compile(r"--\[\[.*?\]\]|--[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\[\[.*?\]\]", re.S)
HASH_TEXT = re.compile(r"(?:^|(?<=\s))#[^\n]*|\"\"\".*?\"\"\"|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'", re.S | re.M)


def split(path, text):
    """The comments of a source, as (offset, text), and the text without them; None where the notation is not known."""
    if path.endswith((".c", ".h", ".hpp", ".cpp", ".def", ".map", ".proto", ".css", ".js", ".in")) or "/c/text/" in path:
        pattern, starts = C_TEXT, ("/*", "//")
    elif path.endswith(".lua"):
        pattern, starts = LUA_TEXT, ("--",)
    elif path.endswith(HASH) or text.startswith("#!"):
        pattern, starts = HASH_TEXT, ("#",)
    else:
        return [], text
    comments, code, at = [], [], 0
    for m in pattern.finditer(text):
        if m.group(0).startswith(starts) and not m.group(0).startswith("#!"):
            skip = 2 if starts[0] == "--" else 0
            comments.append((m.start() + skip, m.group(0)[skip:]))
            code.append(text[at:m.start()])
            at = m.end()
    code.append(text[at:])
    return comments, " ".join(code)


def tracked():
    """Path and text of each tracked file that is a text."""
    found = {}
    for path in subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n"):
        if not path or not os.path.isfile(path):
            continue
        with open(path, "rb") as f:
            data = f.read()
        found[path] = "" if b"\0" in data[:4096] else data.decode("utf-8", "replace")
    return found


def made(build):
    """Files that the build makes, by what meson knows of it."""
    with open(os.path.join(build, "meson-info", "intro-targets.json")) as f:
        targets = json.load(f)
    for target in targets:
        yield from target["filename"]
        for sources in target.get("target_sources", []):
            yield from sources.get("generated_sources", [])


def options_of(fovea):
    """The options of each command, by its help."""
    def options(*args):
        text = subprocess.run([fovea, *args, "--help"], capture_output=True, text=True, env=dict(os.environ, NO_COLOR="1")).stdout
        return text, set(OPTION.findall(text))
    text, common = options()
    found = {"": common}
    for word in set(re.findall(r"^ +(?:fovea )?([a-z]+)\b", text, re.M)):
        more, those = options(word)
        if more and more != text:
            found[word] = those | common
    return found


class Known:
    def __init__(self, build, texts):
        self.paths, self.headers, self.words, self.tables = set(texts), set(), set(), set()
        self.pasted, self.options, self.files = set(), set(), set()
        self.paths.update(made(build))
        self.commands = options_of(os.path.join(build, "tools", "fovea"))
        for those in self.commands.values():
            self.options |= those
        for path, text in texts.items():
            if path.endswith(".patch"):
                self.paths.update(ADDED.findall(text))
            if path.endswith(".md") or path == "tests/checks/names.sh":
                continue
            code = split(path, text)[1]
            words = set(re.findall(r"\w+", code))
            self.words |= words
            if path.endswith(TABLES):
                self.tables |= words
            self.headers.update(INCLUDED.findall(code))
            self.files.update(os.path.basename(f) for f in FILE.findall(code.replace('"', " ")))  # that programs write or look for
            self.pasted.update(p for p in PASTED.findall(code))
            if not path.startswith(("tests/tools/", "tests/lua/")):  # these try options that there are not
                self.options.update(OPTION.findall(code))
        self.ours = sorted(w for w in self.words if w.startswith(("fv_", "FV_", "FOVEA_")))
        self.ends, self.bases = set(), set()
        for path in self.paths | self.headers:
            parts = path.split("/")
            self.bases.add(parts[-1])
            self.ends.update("/".join(parts[i:]) for i in range(len(parts)))

    def file(self, name, own):
        if name in own or os.path.basename(name) in own or name in self.ends or "/" not in name and name in self.files:
            return True
        if re.match(r"[A-Z]+[._]", os.path.basename(name)) or name.startswith("fv."):  # a placeholder; what scripts call
            return True
        return "*" in name and any(fnmatch.fnmatchcase(e, name) for e in self.ends)

    def name(self, name, own):
        if name in self.words or name in own:
            return True
        stem = re.match(r"(.*_)(?:\*|[A-Z]+\*?|)$", name) if name.startswith("fv_") else re.match(r"(.*_)(?:\*|[A-Z]|)$", name)
        if name.endswith("*") or stem:
            begin = stem.group(1) if stem else name[:-1]
            i = bisect.bisect_left(self.ours, begin)
            return begin in self.pasted or i < len(self.ours) and self.ours[i].startswith(begin)
        rests = [name[len(p):] for p in self.pasted if name.startswith(p)]
        return any(r in self.tables or r in own or r in ("NAME", "ID") for r in rests)


class Result:
    def __init__(self):
        self.passed = 0
        self.failed = []

    def check(self, ok, path, text, offset, what):
        if ok:
            self.passed += 1
        else:
            self.failed.append("%s:%d: %s" % (path, text.count("\n", 0, offset) + 1, what))


def look(known, result, path, text, pieces, own_files=(), own_words=()):
    """Checks the names in `pieces`, (offset, text) of the file."""
    for offset, piece in pieces:
        for m in FILE.finditer(piece):
            result.check(known.file(m.group(1), own_files), path, text, offset + m.start(), "there is no file %s" % m.group(1))
        for m in NAME.finditer(piece):
            name = m.group(1) or m.group(2)
            result.check(known.name(name, own_words), path, text, offset + m.start(), "nothing is called %s" % name)
        for m in OPTION.finditer(OTHERS.sub(lambda o: " " * len(o.group(0)), piece)):
            result.check(m.group(1) in known.options, path, text, offset + m.start(), "nothing has an option %s" % m.group(1))


def written(text):
    """The files that a document's commands write, or its blocks are: generated C has a header as well."""
    found = {os.path.basename(a or b) for a, b in WRITTEN.findall(text)}
    return found | {f[:-1] + "h" for f in found if f.endswith(".c")}


def look_at_commands(known, result, path, text):
    spans = [s for f in FENCE.finditer(text) for s in SHOWN.finditer(text, f.start(2), f.end(2))]
    spans += SPAN.finditer(FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text))
    for span in spans:
        for m in COMMAND.finditer(span.group(0)):
            if m.group(1) not in known.commands:
                continue
            for option in OPTION.findall(m.group(2)):
                result.check(option in known.commands[m.group(1)], path, text, span.start(),
                             "fovea %s has no option %s" % (m.group(1), option))


def document(known, result, path, text):
    """Prose and what stands in blocks: code that is shown is checked as well, what is printed is not."""
    own_files, own_words, pieces, at = written(text), set(), [], 0
    for m in FENCE.finditer(text):
        own_words.update(re.findall(r"\w+", m.group(2)))
    own_words = {w for w in own_words if not w.startswith(("fv_", "FV_", "FOVEA_"))}
    for m in FENCE.finditer(text):
        pieces.append((at, text[at:m.start()]))
        if m.group(1) in ("c", "lua"):
            own_words.update(re.findall(r"^[\w ]+[ *](fv_\w+) *[=(;].*[{=;]", m.group(2), re.M))
            pieces += [(m.start(2), m.group(2))] if m.group(1) == "c" else []
        at = m.end()
    pieces.append((at, text[at:]))
    look(known, result, path, text, pieces, own_files, own_words)
    look_at_commands(known, result, path, text)


def rows(known, result, path, text):
    """The first cells of tables in the README of a folder: files that are there."""
    folder = os.path.dirname(path)
    if not folder or os.path.basename(path) != "README.md" or folder.startswith(("tests", "examples")):
        return
    for cell in re.finditer(r"^\| ([^|]*`[^|]*) \|", text, re.M):
        for m in FILE.finditer(cell.group(1)):
            result.check(bool(fnmatch.filter(known.paths, folder + "/" + m.group(1))), path, text, cell.start(),
                         "there is no file %s in %s" % (m.group(1), folder))


def main():
    args = sys.argv[1:]
    planted = args.pop(0)[len("--planted="):] if args[0].startswith("--planted=") else None
    texts = tracked()
    known, result = Known(args[0], texts), Result()
    if planted:
        wrong = Result()
        with open(planted) as f:
            document(known, wrong, planted, f.read())
        for message in wrong.failed:
            print("PLANTED", message)
    for path, text in texts.items():
        if path.endswith(".md"):
            document(known, result, path, text)
            rows(known, result, path, text)
        else:
            near = texts.get(os.path.join(os.path.dirname(path), "README.md"), "")  # an example's says how it is built
            comments = split(path, text)[0]
            look(known, result, path, text, comments, written(near + "\n".join(c for _, c in comments)))
    for message in result.failed:
        print("FAILED", message)
    print("%d passed, %d failed" % (result.passed, len(result.failed)))
    return bool(result.failed)


if __name__ == "__main__":
    sys.exit(main())
