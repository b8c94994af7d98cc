"""Every decision of the renderer: frozen values and pure functions."""
