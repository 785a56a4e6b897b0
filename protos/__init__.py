"""The wire contract: proto files, the code generated from them, and their descriptor image."""
