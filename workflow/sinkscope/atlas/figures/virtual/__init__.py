"""Figures of models with virtual keys or gates."""
