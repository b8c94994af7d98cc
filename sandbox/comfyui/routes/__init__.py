"""ComfyUI's routes, by what they are about; each module gives a list of routes for one machine."""
