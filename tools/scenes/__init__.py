"""Scenes of objects over backgrounds: training images, and drags with a known truth."""
