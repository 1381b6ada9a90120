"""The Python API: observe a model in place, look at one text."""
