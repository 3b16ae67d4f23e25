"""One Streamlit script a page; :mod:`app.main` runs the one that is open."""
