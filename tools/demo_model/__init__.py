"""The demo model: training, weights and writers."""
