"""The normalising flows of zuko for zoo: a model of data, and a latent density fitted to codes."""
