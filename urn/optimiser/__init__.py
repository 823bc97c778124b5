"""The proximal step, in Adam's metric and in RMSProp's."""
