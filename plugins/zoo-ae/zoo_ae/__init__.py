"""The autoencoder for zoo: one layer or deep, dense or convolutional, with optional tied weights and denoising."""
