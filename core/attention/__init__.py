"""Step 2 of the method: the self-attention that an inversion records, and what is read off it."""
