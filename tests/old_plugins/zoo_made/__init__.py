"""MADE for zoo: an autoregressive distribution of bits from one masked network, with an exact likelihood."""
