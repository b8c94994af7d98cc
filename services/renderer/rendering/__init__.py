"""What runs beside the handlers: claims are taken, driven to their end, and announced."""
