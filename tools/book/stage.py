"""Copies the Markdown of the repository to a folder that Sphinx reads. Usage: stage.py ROOT FOLDER [DEPFILE TARGET]

Pages of the book are docs/*.md, and every README that a page links to, directly or through others. docs/README.md is
the first page: each of its sections is a part of the table of contents, with the pages that its list links to. The
README of a folder has those of the folders in it below it.

A link to a source file leads to a page with the text of the file, and one to a folder without a README to a page that
lists its files. With DEPFILE, the files that were read are written there, as make reads them, and so are those of this
folder.
Ends with status 1 if a link leads to nothing."""
import os
import re
import shutil
import sys

FENCE = re.compile(r"^\s*```")
CODE = re.compile(r"(`+)(?:(?!\1|\n\n).)*\1", re.S)
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)", re.S)
PICTURES = (".png", ".svg")
LANGUAGES = {".c": "c", ".h": "c", ".def": "c", ".cpp": "cpp", ".py": "python", ".lua": "lua", ".sh": "bash"}


class Book:
    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        self.done, self.read, self.wrong = set(), [], []
        self.waiting = []

    def page(self, path):
        """The name of the page, without suffix, on which this file of the repository stands."""
        path = os.path.normpath(path)
        if path == "README.md":
            return "overview"
        if path == "docs/README.md":
            return "index"
        if path.startswith("docs/"):
            path = path[len("docs/"):]
        if os.path.isdir(os.path.join(self.root, path)):
            return os.path.join(path, "index")
        if os.path.basename(path) == "README.md":
            return os.path.join(os.path.dirname(path), "index")
        return path[:-3] if path.endswith(".md") else path

    def want(self, path):
        if path not in self.done:
            self.done.add(path)
            self.waiting.append(path)

    def has(self, path):
        """Is this a file or a folder within the sources?"""
        root, real = os.path.realpath(self.root), os.path.realpath(path)
        return os.path.exists(real) and os.path.commonpath([root, real]) == root

    def address(self, source, link):
        """Where a link of the page `source` leads in the book, or None if it leads to nothing."""
        path, _, anchor = link.partition("#")
        if not path:
            return link
        target = os.path.normpath(os.path.join(os.path.dirname(source), path))
        full = os.path.join(self.root, target)
        if not self.has(full):
            return None
        if os.path.isdir(full) and os.path.exists(os.path.join(full, "README.md")):
            target = os.path.join(target, "README.md")
        self.want(target)
        name = self.page(target)
        if not target.endswith(PICTURES):
            name += ".md"
        here = os.path.dirname(self.page(source))
        return os.path.relpath(name, here or ".") + ("#" + anchor if anchor else "")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def text(self, path):
        self.read.append(path)
        with open(os.path.join(self.root, path), encoding="utf-8") as f:
            return f.read()

    def links(self, source, text):
        """The text with its links changed, without those in code."""
        def change(m):
            if "://" in m.group(2):
                return m.group(0)
            to = self.address(source, m.group(2))
            if to is None:
                self.wrong.append("%s: there is no %s" % (source, m.group(2)))
            return "%s(%s)" % (m.group(1), to)

        def outside_code(part):
            held = []

            def hold(m):
                held.append(m.group(0))
                return "\0%d\0" % (len(held) - 1)

            def back(m):
                return held[int(m.group(1))]
            part = LINK.sub(change, CODE.sub(hold, part))
            return re.sub("\0(\\d+)\0", back, part)

        parts, lines, fenced = [], [], False
        for line in text.splitlines(keepends=True):
            if FENCE.match(line):
                parts.append((fenced or "", "".join(lines))) if not fenced else lines.append(line)
                if fenced:
                    parts.append((True, "".join(lines)))
                    lines = []
                else:
                    lines = [line]
                fenced = not fenced
                continue
            lines.append(line)
        parts.append((fenced, "".join(lines)))
        return "".join(p if code is True else outside_code(p) for code, p in parts)

    def contents(self, text):
        """Tables of contents made of the sections of docs/README.md."""
        caption, pages, found = None, [], []
        for line in text.splitlines() + ["## "]:
            if line.startswith("## "):
                if pages:
                    found.append("\n```{toctree}\n:hidden:\n:caption: %s\n\n%s\n```\n" % (caption, "\n".join(pages)))
                caption, pages = line[3:], []
            m = re.match(r"- \[([^\]]*)\]\(([^)#\s]+\.md)\)", line)
            if m:
                path = os.path.normpath(os.path.join("docs", m.group(2)))
                pages.append("%s <%s>" % (m.group(1), self.page(path)))
        return "".join(found)

    def below(self, path):
        """The READMEs of the folders in a folder, as a table of contents."""
        folder = os.path.dirname(path)
        inner = []
        for name in sorted(os.listdir(os.path.join(self.root, folder))):
            readme = os.path.join(folder, name, "README.md")
            if os.path.exists(os.path.join(self.root, readme)):
                self.want(readme)
                inner.append("%s/ <%s>" % (name, "/" + self.page(readme)))
        return "\n```{toctree}\n:hidden:\n\n%s\n```\n" % "\n".join(inner) if inner else ""

    def add(self, path):
        full = os.path.join(self.root, path)
        if path.endswith(PICTURES):
            self.read.append(path)
            to = os.path.join(self.folder, self.page(path))
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(full, to)
        elif path.endswith(".md"):
            text = self.text(path)
            end = ""
            if path == "docs/README.md":
                end = self.contents(text)
            elif os.path.basename(path) == "README.md" and os.path.dirname(path):
                end = self.below(path)
            self.write(self.page(path) + ".md", self.links(path, text) + end)
        elif os.path.isdir(full):
            files = sorted(f for f in os.listdir(full) if os.path.isfile(os.path.join(full, f)))
            text = "".join("- [%s](%s)\n" % (f, f) for f in files)
            self.write(self.page(path) + ".md", "---\norphan: true\nnosearch: true\n---\n\n# %s\n\n%s" % (
                path, self.links(os.path.join(path, "README.md"), text)))
        else:
            text = self.text(path)
            fence = "`" * max(3, 1 + max([len(m) for m in re.findall("`+", text)] or [0]))
            language = LANGUAGES.get(os.path.splitext(path)[1], "bash" if text.startswith("#!") else "text")
            self.write(self.page(path) + ".md", "---\norphan: true\nnosearch: true\n---\n\n# %s\n\n%s%s\n%s%s\n" % (
                path, fence, language, text if text.endswith("\n") else text + "\n", fence))

    def all(self):
        self.want("docs/README.md")
        for name in sorted(os.listdir(os.path.join(self.root, "docs"))):
            if name.endswith(".md"):
                self.want("docs/" + name)
        while self.waiting:
            self.add(self.waiting.pop())


def own_files():
    """The files of this folder: the frame and the style of pages, and settings."""
    here = os.path.dirname(os.path.abspath(__file__))
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(here) if "__pycache__" not in folder for name in names)


def main():
    root, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    book = Book(root, folder)
    book.all()
    for wrong in book.wrong:
        print(wrong, file=sys.stderr)
    if len(sys.argv) > 4:
        with open(sys.argv[3], "w", encoding="utf-8") as f:
            f.write("%s: %s\n" % (sys.argv[4], " ".join([os.path.join(root, p) for p in sorted(book.read)] + own_files())))
    return bool(book.wrong)


if __name__ == "__main__":
    sys.exit(main())
