"""Search of the Chinese pages: a Sphinx extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# Readers type a question without spaces. The longest words that the index has are searched for;
# what it does not have is left out.
_SPLIT_QUERY = r"""
function splitQuery(query) {
  const has = (words, word) => Object.prototype.hasOwnProperty.call(words, word);
  const known = (word) =>
    has(Search._index.terms, word) || has(Search._index.titleterms, word);
  const split = (text) => {
    const words = [];
    for (let start = 0; start < text.length; ) {
      let end = text.length;
      while (end > start + 1 && !known(text.slice(start, end))) end -= 1;
      if (end > start + 1) words.push(text.slice(start, end));
      start = end;
    }
    return words.length ? words : [text];
  };
  const parts = query.match(/\p{Script=Han}+|[A-Za-z0-9_]+/gu) || [];
  return parts.flatMap((part) => (/\p{Script=Han}/u.test(part) ? split(part) : [part]));
}
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the search language of a Chinese build."""
    if app.config.language.startswith("zh"):
        from sphinx.search.zh import SearchChinese

        class Chinese(SearchChinese):
            # The stemmer, whose name Sphinx 9.0 takes from this, is the English one.
            language_name = "English"
            js_splitter_code = _SPLIT_QUERY

        app.add_search_language(Chinese)
    return {"parallel_read_safe": True}
