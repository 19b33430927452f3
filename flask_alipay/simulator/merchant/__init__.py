"""Merchants of the simulator: keys, certificates and settings."""
