"""Speed and trust, each measured against a yardstick in the same run."""
