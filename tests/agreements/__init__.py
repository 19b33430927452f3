"""Agreements on deductions: signing, deductions, and their end."""
