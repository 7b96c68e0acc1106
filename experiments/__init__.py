"""One script, one claim."""
