"""What the columns of the tables say, on a page and on a terminal."""
