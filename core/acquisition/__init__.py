"""Which images to label next: pixel scores, their aggregation, and the choice of a batch."""
