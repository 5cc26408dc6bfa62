"""Helpers as Atlas_Email's callers know them."""
