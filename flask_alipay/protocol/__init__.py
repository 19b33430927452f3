"""Pure functions and values: no Flask, database or network.

``i18n``
    translations, from the catalogue of each language
"""
