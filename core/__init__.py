"""The science: tensors in, tensors out. Only ``worker`` and ``simulate`` know the storage."""
