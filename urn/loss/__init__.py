"""The general loss: its terms, and the geometry and symmetry they speak of."""
