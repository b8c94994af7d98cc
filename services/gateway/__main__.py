"""`python -m services.gateway`"""

from chassis.main import main
from services.gateway.app import open_gateway
from services.gateway.settings import Settings

if __name__ == "__main__":
    main("gateway", Settings, open_gateway)
