"""What Optigate is measured against: two monoliths that do the same work in the usual ways."""
