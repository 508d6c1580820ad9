"""Sphinx: `make docs` builds the site into build/docs, without the network; warnings are errors."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import msgspec
from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT / "src"))

from skitter.version import VERSION  # noqa: E402

project = "skitter"
author = "The skitter authors"
copyright = author  # noqa: A001 - Sphinx's own name for it
release = version = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_argparse_cli"]
exclude_patterns = ["conf.py"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# Docstrings write code in single or double backticks, both.
default_role = "code"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_mock_imports = ["pytest"]  # of the fixtures; it is not needed to build these pages
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"skitter {VERSION}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"


# Pages outside of docs/ that the site has as pages of its own.
_INCLUDED = {ROOT / "ARCHITECTURE.md": DOCS / "explanation/architecture.md"}
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
_FIELD = re.compile(r"^    (\w+): [^#\n]*#\s*(.+)$", re.MULTILINE)


def _keep_inside(app: Sphinx, page: str, source: list[str]) -> None:
    """Links of the repository lead to files; where one leaves the site, its words remain. Dead ones are left
    as they are, for the build to complain about."""
    folder = Path(app.env.doc2path(page)).parent

    def inside(link: re.Match[str]) -> str:
        words, path, anchor = link[1], (folder / link[2]).resolve(), link[3] or ""
        if path in _INCLUDED:
            return f"[{words}](/{_INCLUDED[path].relative_to(DOCS)}{anchor})"
        leaves = path.exists() and DOCS not in path.parents
        return words if leaves and (path.is_dir() or path.suffix == ".md") else link[0]

    source[0] = _LINK.sub(inside, source[0])


def _tell_fields(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """The fields of a value with the comments that stand beside them in the code."""
    if not (isinstance(obj, type) and issubclass(obj, msgspec.Struct)):
        return
    told = _FIELD.findall(inspect.getsource(obj))
    lines += ["", *(f"* ``{field}``: {comment}" for field, comment in told), ""]


def _mend_signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, *signature: str | None
) -> tuple[str | None, ...]:
    """A default that is made anew each time is written as Python can read it, so that types become links."""
    return tuple(part.replace("<factory>", "...") if part else part for part in signature)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _keep_inside)
    app.connect("autodoc-process-docstring", _tell_fields)
    app.connect("autodoc-process-signature", _mend_signature)
