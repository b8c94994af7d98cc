"""The uploader's ports over SQL, Cloudinary and Pillow."""
