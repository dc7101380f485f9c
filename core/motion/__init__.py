"""Step 4 of the method: where every cell of the element goes, and what comes to rest on every cell."""
