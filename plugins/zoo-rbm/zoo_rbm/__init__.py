"""The restricted Boltzmann machine for zoo: binary hidden units over bits or real values."""
