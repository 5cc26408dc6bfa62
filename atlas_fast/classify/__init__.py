"""The classifier: its model, how it is trained, and how good it is."""
