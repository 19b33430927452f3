"""How the documentation is built: ``python -m sphinx -W -b html docs docs/_build``."""

from flask_alipay import __version__

project = "Flask-Alipay"
copyright = "2026 The Flask-Alipay developers"
author = "The Flask-Alipay developers"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "pallets_sphinx_themes"]
exclude_patterns = ["_build"]
highlight_language = "none"

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
