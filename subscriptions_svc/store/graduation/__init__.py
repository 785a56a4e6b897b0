"""Parameters of lenses: changed, and as they were when boxes were handed over."""
