"""Optimisers that reach exact zeros: a proximal step after Adam or RMSProp, in their metric."""
