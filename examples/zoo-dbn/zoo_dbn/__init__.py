"""Deep belief network for zoo: a stack of RBMs, each trained on the hidden units of the RBM below it."""
