"""The network: its formula, and the forms in which it is computed."""
