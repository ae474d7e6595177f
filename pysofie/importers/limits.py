"""What sizes in a model file are believed."""

# The largest dim and bound: beyond it a size in bytes may not fit 64 bits.
MAX_DIM = 2**40
