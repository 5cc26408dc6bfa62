"""Rules over keywords as Atlas_Email's callers know them."""
