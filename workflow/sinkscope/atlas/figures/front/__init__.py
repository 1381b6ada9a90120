"""The picture and the sentence that the report opens with."""
