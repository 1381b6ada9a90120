"""Names that the measurement and its tables share."""

OWN = "own"  # in the column mark: the mark that ends the first sentence of the text itself
SUMS, UNITS = "second_sink_sums", "second_sink_units"  # frames from which states are compared
# Layers, from 0, of the 32 of Llama-2-7B whose attention Wray 2023 shows.
STUDIED, STUDIED_OF = (5, 20), 32
STEPS = 2.0**40  # per unit in the sums of unit vectors: 2^22 documents fit into an int64


def studied_layers(n_layers: int) -> tuple[int, int]:
    """The layers at the relative depth of the two that Wray 2023 shows; n_layers: number of layers
    with attention."""
    first, second = (layer * n_layers // STUDIED_OF for layer in STUDIED)
    return first, second
