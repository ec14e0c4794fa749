"""How Sphinx makes the site of the pages that stage.py has copied. FOVEA_VERSION has the version of Fovea."""
import os

from pygments.formatters import HtmlFormatter

project = "Fovea"
author = "the authors of Fovea"
version = release = os.environ.get("FOVEA_VERSION", "")
html_title = "Fovea " + version
language = "en"

extensions = ["myst_parser"]
myst_heading_anchors = 6  # links to headings are checked
root_doc = "index"
# Blocks without a language are texts of Fovea's own, for which there is no highlighting. C in documents is often an
# extract, which is no reason to stop.
highlight_language = "none"
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "theme"
html_theme_path = ["."]
html_show_sourcelink = False
html_copy_source = False
html_use_index = False
html_permalinks_icon = "#"


def write_colours(app):
    """code.css: colours of code on dark pages, by the system's choice or the reader's."""
    style = HtmlFormatter(style="github-dark")
    dark = style.get_style_defs(':root[data-theme="dark"] .highlight')
    by_system = style.get_style_defs(':root:not([data-theme="light"]) .highlight')
    static = os.path.join(app.outdir, "_static")
    os.makedirs(static, exist_ok=True)
    with open(os.path.join(static, "code.css"), "w", encoding="utf-8") as f:
        f.write("%s\n@media (prefers-color-scheme: dark) {\n%s\n}\n" % (dark, by_system))


def setup(app):
    app.connect("build-finished", lambda app, error: None if error else write_colours(app))
