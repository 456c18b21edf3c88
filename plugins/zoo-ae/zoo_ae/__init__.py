"""The autoencoder for zoo: a code and a reconstruction, one-layer or deep, tied or not, denoising or not."""
