"""Figures of the section on sinks that are found."""
