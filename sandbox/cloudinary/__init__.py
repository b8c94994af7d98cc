"""A stand-in for Cloudinary: Upload, Admin and Search API, and delivery, over one folder of assets."""

from sandbox.cloudinary.app import cloudinary
from sandbox.cloudinary.settings import CloudinarySettings

__all__ = ["CloudinarySettings", "cloudinary"]
