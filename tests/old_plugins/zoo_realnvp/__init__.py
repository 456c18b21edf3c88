"""RealNVP for zoo: an invertible network of affine coupling layers, with an exact density and exact codes."""
