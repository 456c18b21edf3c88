"""Flow matching for zoo: an ordinary differential equation from noise to data, with guidance towards classes."""
