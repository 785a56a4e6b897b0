"""When a place is open for business."""
