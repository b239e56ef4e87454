"""Models that mean harm or are broken, each made by a small function; none is stored."""
