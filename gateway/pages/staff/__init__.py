"""The pages of the operator's own staff."""
