"""The fixed seeds of the protocol. None is ever a training seed."""

SPLIT_SEED = 0  # of training, validation and test splits
BITS_SEED = 0  # of the bits that samples and test images are compared as, in separate streams
REFERENCE_SEED = 0  # of the halving of the test split
FEATURE_SEED = 0  # of the feature network
