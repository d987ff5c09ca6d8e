"""Configuration of the documentation's build; see ``make docs``."""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

# Importing Covalent writes its configuration: not into the home of the user who builds this.
_covalent = tempfile.TemporaryDirectory(prefix="covalent-awsbatch-docs-")
os.environ["COVALENT_CONFIG_DIR"] = _covalent.name

sys.path.insert(0, str(Path(__file__).parent / "tools"))

import covalent  # noqa: E402, F401 - before the plugin, which it loads

project = "covalent-awsbatch-plugin"
author = copyright = "The covalent-awsbatch-plugin authors"
release = version = version_of("covalent-awsbatch-plugin")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "tools"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

nitpicky = True
# Types of others, whose documentation is elsewhere; the classes are not the user's to look up.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(covalent|collections|pathlib|asyncio)\..*|Path|Access|Any|Runner|FaultPlan|Counter|Task(Runtime|Cancelled)Error",
    )
]

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"show-inheritance": True}

html_theme = "furo"
html_title = "AWS Batch executor for Covalent"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Prompts are not copied, nor what a command printed.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
html_use_index = html_domain_indices = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "tango"
pygments_dark_style = "monokai"


def setup(app: Any) -> None:
    """Register the directive ``made``, which takes in Markdown made from the code."""
    import made
    from sphinx.util.docutils import SphinxDirective

    class Made(SphinxDirective):
        """``{made} options`` is the table of options; see ``tools/made.py``."""

        required_arguments = 1

        def run(self) -> list[Any]:
            self.env.note_reread()  # The page may be unchanged, but not what it takes in.
            text = made.MAKERS[self.arguments[0]]()
            return list(self.parse_text_to_nodes(text, allow_section_headings=True))

    app.add_directive("made", Made)
