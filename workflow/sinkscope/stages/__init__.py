"""The stages of a run: the commands of its jobs, and all of them called as functions."""
