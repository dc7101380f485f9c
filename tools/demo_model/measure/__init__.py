"""What the demo model knows, measured: holes, shadows, noise, pictures, attention. ``tools.demo_model.evaluate`` runs
it all."""
