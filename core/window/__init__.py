"""A large picture edited in a window at the model's own size: where it lies, what is in it, and how it goes back."""
