"""The label canvas: its Python face, and the ES modules that run in the browser."""
