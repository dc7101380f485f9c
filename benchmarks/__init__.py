"""Quality and speed, run by a person; tests never time anything."""
