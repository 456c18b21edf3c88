"""Fixed seeds of the protocol, never used for the trainings of a table."""

SPLIT_SEED = 0  # training, validation and test splits
BITS_SEED = 0  # bits drawn from samples and from test images for the comparison, in separate streams
FEATURE_SEED = 0  # feature network
TUNING_SEED = 1_000_003  # of every training that tuning compares, apart from the seeds of tables
