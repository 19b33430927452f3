"""Pre-authorisations: captures, releases and reports about them."""
