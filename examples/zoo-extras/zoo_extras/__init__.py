"""What is no model: a data set, a latent density, a metric and an extension, each in a module of its own."""
