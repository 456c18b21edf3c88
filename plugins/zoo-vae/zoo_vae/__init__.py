"""The variational autoencoder for zoo, trained by the ELBO or its weighted and importance-weighted forms."""
