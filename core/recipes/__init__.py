"""What one training step computes, one recipe a module."""
