"""Pure rules: schemas, allowed moves, arithmetic. They see neither messages nor rows."""
