"""Shapes, batch size and work per round, shared by all contenders of a race, their device and number of threads."""

import os

THREADS = int(os.environ.get("RACE_THREADS", "1"))
DEVICE = os.environ.get("RACE_DEVICE", "cpu")
BATCH = int(os.environ.get("RACE_BATCH", "128"))
V, H, RATE = 784, 500, 0.05
IMAGES = 25_600  # per round of training
STEPS = IMAGES // BATCH
WIDE, CODE = 512, 32  # the VAE and the AE: 784-512-32-512-784
CHANNELS = (32, 64)  # of the convolutional VAE
ADAM = 1e-3
CHAINS, GIBBS = 10_000, 5
TEMPERATURES, ANNEALED = 1000, 100
DECODED = 10_000
CELLS, CELL_STEPS = 8, 150
