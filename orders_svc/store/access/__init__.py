"""Who logs in, with what, and from where."""
