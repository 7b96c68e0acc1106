"""The laboratory: what the experiments share."""
