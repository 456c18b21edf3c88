"""Latent densities: what turns an encoder and a decoder into a generator, fitted to codes after training.

An autoencoder learns no distribution over its codes h. Fitting one to the codes of the training split, with the
network frozen (ex-post density estimation), lets its decoder generate: h ~ p(h), x = decode(h).

The three built-in densities are registered as anybody else's, in the entry-point group `zoo.densities`.

Reference: Ghosh et al. (2020), From Variational to Deterministic Autoencoders, arXiv:1903.12436.
"""
