"""Pure rules: request schemas, allowed moves, optics and tracings."""
