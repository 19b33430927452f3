"""Tests of transfers: operation, ledger, limits and reconciliation."""
