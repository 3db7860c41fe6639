"""The static site: `python -m sphinx docs build/site`."""

project = "pitwatch"
author = "the pitwatch developers"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["examples", "images"]
html_theme = "furo"
html_title = "pitwatch"
html_static_path: list[str] = []
myst_heading_anchors = 3
