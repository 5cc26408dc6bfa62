"""The web interface as Atlas_Email's callers know it; needs the extra web."""
