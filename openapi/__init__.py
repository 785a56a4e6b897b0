"""Writes the OpenAPI documents that the gateway serves, from protos, readers, writers and rules."""
