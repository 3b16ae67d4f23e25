"""The sections of the Project page, one a module; :mod:`app.pages.project` puts them in tabs."""
