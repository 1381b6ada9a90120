"""The reference of the tables' columns, as a page and on a terminal."""
