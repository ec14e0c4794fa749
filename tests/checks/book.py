"""Whether a site is whole. Usage: book.py SITE. Prints what is wrong: links and pictures that lead to nothing, anchors that
a page does not have, what would be loaded from elsewhere, pages that nothing leads to, and words that the search lacks."""
import os
import re
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loads = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.add(value)
            elif (tag, name) in LOADS:
                self.loads.append(value)
            elif name == "href":
                self.links.append(value)


def main():
    site = os.path.abspath(sys.argv[1])
    pages, wrong = {}, []
    for folder, _, files in os.walk(site):
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith(".html"):
                with open(path, encoding="utf-8") as f:
                    pages[path] = Page(f.read())
            elif name.endswith((".css", ".js")) and name not in ("searchindex.js", "searchtools.js"):
                with open(path, encoding="utf-8") as f:
                    if re.search(r"url\(|@import|fetch\(|src *= *[\"']http", f.read()):
                        wrong.append("%s loads something" % os.path.relpath(path, site))
    reached = {os.path.join(site, "index.html"), os.path.join(site, "search.html")}
    for path, page in pages.items():
        here = os.path.relpath(path, site)
        for link in page.links + page.loads:
            if re.match(r"[a-z]+:|//", link):
                if link in page.loads or not link.startswith("https:"):
                    wrong.append("%s: %s is elsewhere" % (here, link))
                continue
            name, _, anchor = unquote(link).partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            reached.add(target)
            if not os.path.isfile(target):
                wrong.append("%s: there is no %s" % (here, link))
            elif anchor and target in pages and anchor not in pages[target].ids:
                wrong.append("%s: %s has no such anchor" % (here, link))
    wrong += ["nothing leads to %s" % os.path.relpath(p, site) for p in sorted(set(pages) - reached)]
    with open(os.path.join(site, "searchindex.js"), encoding="utf-8") as f:
        index = f.read()
    wrong += ["the search does not know %s" % w for w in ("softmax", "workspac", "quantiz", "cortex") if not re.search("\"%s\" *:" % w, index)]
    if len(pages) < 100:
        wrong.append("only %d pages" % len(pages))
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
