"""Declarations of experiments, statistics, report sections and settings, and their registry."""
