"""The indexer's ports on a database and on Cloudinary."""
