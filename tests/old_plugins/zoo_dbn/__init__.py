"""The deep belief network for zoo: restricted Boltzmann machines, each a distribution of the hidden units below it."""
