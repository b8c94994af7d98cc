"""The gateway's decisions: what is known of an image and of a batch, and what that means. Pure."""
