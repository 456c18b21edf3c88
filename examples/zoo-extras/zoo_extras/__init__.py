"""Example plugins for zoo other than models: data set, latent density, feature space, metric and extension."""
