"""What the demos that measure have in common: what was measured on, and the pictures of what was found."""
