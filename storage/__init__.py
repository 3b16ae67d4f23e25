"""What must not be lost: images, label maps, splits, rounds, predictions and events."""

VERSION = "0.1.0"
"""Version of Qualm, written into every export."""
