"""The variational autoencoder for zoo: the ELBO, its weighted and importance-weighted forms, and a sampler."""
