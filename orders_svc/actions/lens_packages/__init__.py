"""The writes of saved lens packages."""
