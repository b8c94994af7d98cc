"""The gateway: HTTP for people and products, characters, batches and images as they see them."""
