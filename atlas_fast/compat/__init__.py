"""The interface of Atlas_Email, thin over the engine: the same modules, names and signatures."""
