"""The VQ-VAE for zoo: an autoencoder with discrete codes from a learned codebook, and a prior fitted to the codes."""
