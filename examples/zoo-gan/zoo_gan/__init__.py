"""The Wasserstein GAN with gradient penalty for zoo: a critic and a generator that take turns."""
