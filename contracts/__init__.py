"""What travels between the services: messages, names, topology and the documents made from them."""
