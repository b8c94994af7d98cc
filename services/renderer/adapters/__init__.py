"""Where the renderer touches the world: its database, its workflow files, its backends."""
