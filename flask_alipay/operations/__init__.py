"""Use cases for one merchant, shared by views, commands and applications."""
