"""How the documentation is built, in English and in Chinese.

``python -m sphinx -W -b html docs docs/_build`` and
``python -m sphinx -W -b html -D language=zh_CN docs docs/_build/zh_CN``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flask_alipay import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

project = "Flask-Alipay"
copyright = "2026 The Flask-Alipay developers"
author = "The Flask-Alipay developers"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "pallets_sphinx_themes"]
exclude_patterns = ["_build", "locale"]
highlight_language = "none"

language = "en"
locale_dirs = ["locale"]
gettext_compact = False
# Compounds that jieba splits, although readers search for them.
html_search_options = {"dict": str(Path(__file__).parent / "locale/zh_CN/search-words.txt")}

html_theme = "flask"
html_title = f"Flask-Alipay {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_sidebars = {"**": ["localtoc.html", "relations.html", "searchbox.html"]}

autodoc_member_order = "bysource"
# A signature on one line is read more easily than a page of them; the fields say the rest.
autodoc_typehints = "none"
autodoc_preserve_defaults = True

# Other projects' documentation is not fetched: the docs build without a network.
nitpick_ignore = [("py:class", "decimal.Decimal"), ("py:class", "flask.Blueprint")]


def setup(app: Sphinx) -> None:
    """Set the tag ``chinese`` for text that only the Chinese pages show."""

    def set_language_tag(app: Sphinx, config: Config) -> None:
        if config.language.startswith("zh"):
            app.tags.add("chinese")

    app.connect("config-inited", set_language_tag)
