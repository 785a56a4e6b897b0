"""One person's way through all three services, step by step; README.md of this folder's parent.

Each step is one thing that somebody does, and prints what the next one needs.
"""
