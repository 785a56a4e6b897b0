"""JSON to protobuf messages and back, by plans made once per message type."""
