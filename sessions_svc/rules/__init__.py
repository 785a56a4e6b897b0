"""Pure rules: schemas, allowed moves, arithmetic."""
