"""Processing as Atlas_Email's callers know it."""
