"""Worlds: rendered scenes whose true edit is not a paste (light, shadow, reflection, new faces, hidden insides)."""
