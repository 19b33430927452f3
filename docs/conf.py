"""How the documentation is built, in English and in Chinese.

``python -m sphinx -W -b html docs docs/_build`` and
``python -m sphinx -W -b html -D language=zh_CN docs docs/_build/zh_CN``.
"""

from __future__ import annotations

import logging
import sys
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

sys.path.insert(0, str(Path(__file__).parent))
extensions = ["sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design", "chinese_search"]
templates_path = ["_templates"]
exclude_patterns = ["_build", "locale"]
highlight_language = "none"

language = "en"
locale_dirs = ["locale"]
gettext_compact = False
logging.getLogger("jieba").addFilter(lambda record: record.levelno >= logging.WARNING)
# Compounds that jieba splits, although readers search for them.
html_search_options = {"dict": str(Path(__file__).parent / "locale/zh_CN/search-words.txt")}

# All fonts, scripts and styles are local: readers in China cannot load the usual networks.
_SANS = (
    '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", Arial, "PingFang SC",'
    ' "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif'
)
_MONO = (
    'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono",'
    ' "PingFang SC", "Microsoft YaHei", "Noto Sans Mono CJK SC", "Noto Sans CJK SC", monospace'
)

html_theme = "furo"
html_theme_options = {
    "light_css_variables": {"font-stack": _SANS, "font-stack--monospace": _MONO},
    "dark_css_variables": {},
}
html_title = f"Flask-Alipay {release}"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
pygments_dark_style = "monokai"
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

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
