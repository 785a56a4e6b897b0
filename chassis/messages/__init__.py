"""JSON to a protobuf message and back, prepared once per message type from its descriptor."""
