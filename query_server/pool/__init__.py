"""The real samples: a feature index over them, their raw values, and how both are built."""
