"""From rows to messages, events and reports."""
