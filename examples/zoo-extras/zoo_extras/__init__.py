"""Example plugins for zoo other than models: a data set, a latent density, a metric and an extension."""
