"""How Sphinx builds the documentation: `python -m sphinx -W -c docs . FOLDER` from the top level.

The source is the whole repository, so that the pages in docs/ and those at the top level link to each other.
"""

from __future__ import annotations

from importlib.metadata import version as installed

project = "sockrun"
author = "The sockrun authors"
version = release = installed(project)

root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "benchmarks/README.md"]
extensions = ["myst_parser"]
myst_heading_anchors = 3
highlight_language = "none"


html_theme = "furo"
html_title = "sockrun"
