"""`python -m services.indexer`: the indexer on its own."""

from chassis.main import main
from services.indexer.app import open_indexer
from services.indexer.settings import Settings

if __name__ == "__main__":
    main("indexer", Settings, open_indexer)
