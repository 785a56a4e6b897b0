"""What every process of Optigate shares; nothing here depends on optics."""
