"""Ways of passing a message through three steps, each as its own documentation would have it."""
