"""What Optigate is measured against: two monoliths and a build of the same shape."""
