"""Rules of what callers prove themselves with."""
