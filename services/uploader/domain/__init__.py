"""What the uploader decides: whether an image is stored, where, and what is said of it. Pure."""
