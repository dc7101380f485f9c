"""Pictures and latents as planes (B, C, H, W): looking up, widening, smoothing, solving. Knows of nothing else."""
