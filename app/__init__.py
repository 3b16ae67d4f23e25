"""What the annotator sees. Imports ``storage`` only, so the web process never loads torch."""
