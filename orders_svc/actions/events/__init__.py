"""What staff does with events that were written."""
