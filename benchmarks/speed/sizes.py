"""Shapes, batch size and work per round, shared by all contenders of a race, and their number of threads."""

import os

THREADS = int(os.environ.get("RACE_THREADS", "1"))
V, H, BATCH, RATE = 784, 500, 128, 0.05
STEPS = 200  # updates per round of training
WIDE, CODE = 512, 32  # the VAE and the AE: 784-512-32-512-784
ADAM = 1e-3
CHAINS, GIBBS = 10_000, 5
TEMPERATURES, ANNEALED = 1000, 100
DECODED = 10_000
CELLS, CELL_STEPS = 8, 150
