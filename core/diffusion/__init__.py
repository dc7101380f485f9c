"""Steps 1 and 6 of the method, and the latent between them: noise levels, inversion, dragged latent, sampling."""
