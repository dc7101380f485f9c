"""Step 3 of the method: what belongs to the handles."""
