"""`amqp:` - the bus over a RabbitMQ broker, 3.10 to 4.x, which outlives both its ends."""

from messaging.rabbitmq.border import Refused, TopologyMismatch
from messaging.rabbitmq.bus import RabbitBus, open_rabbitmq

__all__ = ["RabbitBus", "Refused", "TopologyMismatch", "open_rabbitmq"]
