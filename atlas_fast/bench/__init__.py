"""Paired measurements against the baseline and the installed peers."""
