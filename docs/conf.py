"""How the site is built: `sphinx-build -W docs build/site`, without the network.

What it is: settings, and three small extensions in `_ext`: `docstrings` makes docstrings, which are
plain prose, into what Sphinx reads; `core_pages` writes a page for each folder of `sigil/core`, so
that it is never out of date; `notebook_pages` brings in the notebooks.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from pygments.lexers.special import TextLexer

import sigil

project = "sigil"
author = "the authors of sigil"
release = version = sigil.__version__
language = "en"
suppress_warnings = ["ref.python"]
"""A name is documented where it is public and where it is made: which of the two a type links to
does not matter."""

extensions = [
    "sphinx.ext.autodoc",
    "myst_nb",
    "core_pages",
    "docstrings",
    "notebook_pages",
    "signatures",
]
exclude_patterns = ["_ext", "_static"]
nb_execution_mode = "off"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "substitution"]

FUNCTIONS = [name for name in sigil.__all__ if name.startswith("http_server_")]
myst_substitutions = {"functions": ", ".join(f"`{name}`" for name in FUNCTIONS)}
"""What has no entry of its own on the page of the API: these are methods of `HttpServer`."""

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "sigil"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]


class Haproxy(TextLexer):
    """Pygments has no lexer for haproxy: its configuration is shown as it is."""

    name, aliases = "haproxy", ["haproxy"]


def setup(app: Any) -> None:
    """What Sphinx calls."""
    app.add_lexer("haproxy", Haproxy)
