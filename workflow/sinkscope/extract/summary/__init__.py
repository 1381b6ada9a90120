"""What the tables need of a document, without its arrays per head and key."""
