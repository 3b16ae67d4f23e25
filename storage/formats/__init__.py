"""Readers and writers of files and wire formats, one module a format."""

from PIL import Image

# Pillow's own limit refuses label maps and pictures above 178 megapixels; ours, in image_size, is checked
# before anything that comes from outside is decoded.
Image.MAX_IMAGE_PIXELS = None
