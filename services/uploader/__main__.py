"""`python -m services.uploader`: one uploader process."""

from chassis.main import main
from services.uploader.app import open_uploader
from services.uploader.settings import Settings

if __name__ == "__main__":
    main("uploader", Settings, open_uploader)
