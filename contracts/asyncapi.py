"""The AsyncAPI 3.0 document: a channel per route, an operation per service and message. Pure."""

from typing import Any

from contracts import topology
from contracts.message import Kind, Message

Json = dict[str, Any]

#: Of the AMQP bindings that the AsyncAPI specification names.
_BINDING = "0.3.0"

_OVERVIEW = f"""\
Everything that travels between the services of Darkroom.

One durable topic exchange, `{topology.EXCHANGE}`; the address of a channel is its routing key and is also
the AMQP `type`. Commands and events wait in a quorum queue per service and message; transient messages reach
every replica that listens now. A body and a routing key make a complete message: all headers are optional.
Readers ignore fields that they don't know. The AMQP `correlation_id` is the batch id; `message_id` is new at
every publish, the header `id` is not."""

_HEADERS: Json = {
    "description": "Written by the services; a message without any of them is read just as well.",
    "type": "object",
    "properties": {
        "id": {
            "description": "follows from what the message is about, so that a repetition repeats it",
            "type": "string",
            "format": "uuid",
        },
        "causation-id": {
            "description": "`id` of the message whose handling led to this one",
            "type": "string",
        },
        "traceparent": {"description": "W3C trace context", "type": "string"},
        "x-attempt": {"description": "attempts that have failed", "type": "integer", "minimum": 1},
        "x-first-seen": {
            "description": "when the first attempt failed",
            "type": "string",
            "format": "date-time",
        },
        "x-last-error": {"description": "why the last attempt failed", "type": "string"},
        "x-history": {
            "description": "JSON: earlier ends as a dead letter, a list of objects with `at`, `reason` and "
            "`attempts`, oldest first",
            "type": "string",
        },
    },
}


def document(schemas: Json) -> Json:
    """The whole system; `schemas` has one per model, under the model's name and with references into
    `#/components/schemas/`."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:darkroom",
        "info": {"title": "Darkroom", "version": "1.0.0", "description": _OVERVIEW},
        "defaultContentType": "application/json",
        "channels": {message.route(): _channel(message) for message in topology.MESSAGES},
        "operations": _sending() | _receiving(),
        "components": {
            "messages": {message.route(): _message(message) for message in topology.MESSAGES},
            "schemas": schemas | {"Headers": _HEADERS},
        },
    }


def _channel(message: type[Message]) -> Json:
    return {
        "address": message.route(),
        "description": _way(message),
        "messages": {message.__name__: {"$ref": f"#/components/messages/{message.route()}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": topology.EXCHANGE,
                    "type": "topic",
                    "durable": True,
                    "autoDelete": False,
                },
                "bindingVersion": _BINDING,
            }
        },
    }


def _way(message: type[Message]) -> str:
    if message.kind is Kind.TRANSIENT:
        return "Every replica that listens now reads it, through an exclusive queue of its own."
    names = [f"`{queue.name}`" for queue in topology.QUEUES if queue.message is message]
    if not names:
        return "No service reads it: bind a queue of your own to this routing key."
    return f"Waits in {', '.join(names)}."


def _sending() -> Json:
    return {
        f"{service}.sends.{message.route()}": _operation("send", service, message)
        | {
            "bindings": {
                "amqp": {
                    "deliveryMode": 1 if message.kind is Kind.TRANSIENT else 2,
                    "mandatory": message.mandatory,
                    "timestamp": True,
                    "bindingVersion": _BINDING,
                }
            }
        }
        for service, messages in topology.SENDERS.items()
        for message in messages
    }


def _receiving() -> Json:
    queues = {(queue.service, queue.message): queue for queue in topology.QUEUES}
    return {
        f"{service}.receives.{message.route()}": _operation("receive", service, message)
        | (_from(queues[service, message]) if (service, message) in queues else {})
        for service, messages in topology.READERS.items()
        for message in messages
    }


def _operation(action: str, service: str, message: type[Message]) -> Json:
    channel = f"#/channels/{message.route()}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{message.__name__}"}],
        "tags": [{"name": service}],
    }


def _from(queue: topology.Queue) -> Json:
    return {
        "description": f"From the queue `{queue.name}`; what cannot be handled ends in `{queue.dead}`.",
        "bindings": {"amqp": {"ack": True, "bindingVersion": _BINDING}},
        "x-queue": {
            "name": queue.name,
            "dead-letters": queue.dead,
            "arguments": topology.work_arguments(queue),
        },
    }


def _message(message: type[Message]) -> Json:
    about = (message.__doc__ or "").strip().partition("\n")
    made: Json = {
        "name": message.route(),
        "title": message.__name__,
        "summary": about[0],
        "tags": [{"name": message.kind.value}],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
        "bindings": {"amqp": {"messageType": message.route(), "bindingVersion": _BINDING}},
    }
    batch = _batch_in(message)
    return made | ({"correlationId": {"location": f"$message.payload#/{batch}"}} if batch else {})


def _batch_in(message: type[Message]) -> str | None:
    """Where the body holds the batch id: at its top, or in the request that it carries along."""
    fields = message.model_fields
    return "batch_id" if "batch_id" in fields else "request/batch_id" if "request" in fields else None
