"""Names that the tables and the measurement share."""

# In place of the key's value: 0, the mean value of the head's other keys, the value at the same
# position of another text. Or the key is forbidden, and the other keys share its attention.
ZERO, MEAN, OTHER, REMOVE = KINDS = ("zero", "mean", "other", "remove")

# The key that is edited: the head's sink, or a random other key.
SINK, RANDOM = ON = ("sink", "random")
NONE, NO_OP, BROADCAST, MIXED = ROLES = ("none", "no-op", "broadcast", "mixed")
