"""What must not be lost: images, label maps, splits, rounds, predictions and events."""
