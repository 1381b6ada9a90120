"""Triton kernels of the fused path: statistics of attention without a matrix per head."""
