"""Denoising diffusion for zoo: DDPM with its variational bound, and sampling in few steps with DDIM."""
