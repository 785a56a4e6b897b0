"""How files reach a lab's drop, and are fetched from it."""
