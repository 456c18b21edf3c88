"""The VQ-VAE for zoo: an autoencoder whose code is a word over a learned codebook, and a model of those words."""
