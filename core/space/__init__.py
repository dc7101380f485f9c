"""Where things are: points as shares of the picture, pixels, latent cells, and every conversion between them."""
