"""`python -m services.renderer`: the renderer on its own."""

from chassis.main import main
from services.renderer.app import open_renderer
from services.renderer.settings import Settings

if __name__ == "__main__":
    main("renderer", Settings, open_renderer)
