"""What is kept of contact lenses: their prescriptions, and what became of boxes sent."""
