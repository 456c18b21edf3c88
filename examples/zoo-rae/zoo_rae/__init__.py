"""The regularised autoencoder for zoo: small codes and a smooth decoder, for a density fitted after training."""
