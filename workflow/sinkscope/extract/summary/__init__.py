"""Summaries: the data of a document that the tables need, without arrays per head and key."""
