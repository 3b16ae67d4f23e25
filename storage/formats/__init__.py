"""Readers and writers of files and wire formats, one module a format."""
