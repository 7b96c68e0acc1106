"""One script, one claim: each reads like a short paper and ends in a verdict."""
