"""The stages between source and store: each takes a Batch and fills columns of it."""
