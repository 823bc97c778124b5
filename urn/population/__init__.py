"""The networks that train together: how they are built, which neurons are dead, births and deaths."""
