"""What every process of Optigate shares; it knows no word of optics."""
