"""The wire contract: three proto files and the code generated from them."""
