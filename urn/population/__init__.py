"""The networks that train together: their tensors, dead neurons, births and deaths."""
