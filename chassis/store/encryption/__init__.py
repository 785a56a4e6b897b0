"""Encryption at rest: personal columns, search words and files, under a ring of named keys.

    keyring    the keys, from the file of ENCRYPTION_KEYS, and what they do to bytes
    columns    the personal columns of a table: sealed when written, opened when read
    tokens     keyed hashes of words, by which sealed names are searched
    files      sealed files
    registry   which keys a store needs: a start without one of them is refused
    rotation   counts rows by key, and seals them anew under the current one

Without a ring nothing here does anything, and `cryptography` is not loaded.
"""
