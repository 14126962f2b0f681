"""Configuration of Sphinx for the documentation site; `make docs` builds it into docs/_build/html."""

from docutils import nodes
from latex2mathml.converter import convert
from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from interphase_flows import __version__

project = "interphase_flows"
author = "the authors of interphase_flows"
version = release = __version__
extensions = [
    "myst_nb",  # pages in Markdown, and notebooks that are executed when the site is built
    "sphinx.ext.autodoc",  # Python API from docstrings
    "sphinx.ext.napoleon",  # docstrings in the style of numpy
]
exclude_patterns = ["_build", "data"]

html_theme = "furo"
html_title = f"interphase_flows {__version__}"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]

myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # warnings of other packages, with paths of this machine
nb_execution_timeout = 600  # seconds per cell, for slow machines

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
napoleon_use_ivar = True  # attributes of dataclasses are described once


def write_math(translator: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers draw without a script from the internet."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    translator.body.append(convert(node.astext(), display=display))
    raise nodes.SkipNode


def shorten_signature(app: Sphinx, what: str, name: str, found: object, *_: object) -> tuple[str, None] | None:
    """Omit the fields of pydantic models, which are the keys of a campaign file or of the settings."""
    return ("(**keys)", None) if isinstance(found, type) and issubclass(found, BaseModel) else None


def setup(app: Sphinx) -> None:
    """Register the functions above."""
    app.add_html_math_renderer("mathml", (write_math, None), (write_math, None))
    app.connect("autodoc-process-signature", shorten_signature)
