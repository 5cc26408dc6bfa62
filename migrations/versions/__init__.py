"""One file a step; each is frozen once it was released."""
