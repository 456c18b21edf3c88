"""The restricted Boltzmann machine: `model` has the maths, `plugin` the hooks that the zoo calls."""
