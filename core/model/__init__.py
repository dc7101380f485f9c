"""What the method wants to know of a model: its layers, how it is called, how it is told from another."""
