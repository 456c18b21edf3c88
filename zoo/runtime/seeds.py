"""Fixed seeds of the protocol, never used for training."""

SPLIT_SEED = 0  # training, validation and test splits
BITS_SEED = 0  # bits drawn from samples and from test images for the comparison, in separate streams
FEATURE_SEED = 0  # feature network
