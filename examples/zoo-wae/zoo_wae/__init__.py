"""The Wasserstein autoencoder for zoo: an autoencoder whose codes are matched to N(0, I) by their kernel distance."""
