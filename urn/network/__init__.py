"""The network: its formula (`definition`), and the forms in which it is computed."""
