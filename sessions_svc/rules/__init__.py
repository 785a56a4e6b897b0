"""Pure rules: schemas, allowed moves and arithmetic; no messages, no rows, no I/O."""
