"""AsyncAPI 3.0 for the bus: one channel for each event, a CloudEvent in JSON on its service's topic exchange."""

from contract import Contract, Json, Schemas, Use

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"  # as chassis/events.py sends it
_TEXT = {"type": "string", "minLength": 1}
_ENVELOPE: Json = {
    "type": "object",
    "description": "CloudEvents 1.0, structured JSON; with the sequence and tracing extensions and two of our own.",
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {
            **_TEXT,
            "format": "uuid",
            "description": "UUIDv7. The same event may be delivered more than once, always with this id.",
        },
        "source": {**_TEXT, "format": "uri-reference", "description": "The service that announces it."},
        "type": {**_TEXT, "description": "The routing key, too."},
        "subject": {**_TEXT, "description": "Id of what it is about."},
        "time": {"type": "string", "format": "date-time", "description": "When it happened, in UTC."},
        "sequence": {
            "type": "string",
            "pattern": "^[0-9]{10}$",
            "description": "Version of the subject; the higher one is the newer.",
        },
        "datacontenttype": {"const": "application/json"},
        "dataschema": {**_TEXT, "format": "uri", "description": "The protobuf message of `data`."},
        "correlationid": {**_TEXT, "description": "The request that it goes back to, across services."},
        "causationid": {**_TEXT, "description": "The event that it follows from."},
        "traceparent": {**_TEXT, "description": "W3C Trace Context."},
        "data": {"type": "object", "description": "The public state of the subject after the change."},
    },
    "required": [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "sequence",
        "datacontenttype",
        "dataschema",
        "data",
    ],
}


def document(contract: Contract) -> Json:
    """The whole document."""
    schemas = Schemas(contract)
    channels: dict[str, Json] = {}
    operations: dict[str, Json] = {}
    messages: dict[str, Json] = {}
    for name, kind in sorted(contract.events(), key=lambda event: event[1]):
        service, title, comment = name.split(".")[1], name.rpartition(".")[2], contract.comments.get(name, "")
        exchange = {"name": f"{service}.events", "type": "topic", "durable": True, "autoDelete": False}
        messages[kind] = {
            "name": kind,
            "title": title,
            "summary": comment,
            "contentType": CONTENT_TYPE,
            "payload": {
                "allOf": [
                    {"$ref": "#/components/schemas/CloudEvent"},
                    {
                        "type": "object",
                        "properties": {
                            "type": {"const": kind},
                            "source": {"const": f"/wasl/{service}"},
                            "dataschema": {"const": f"urn:wasl:schema:{name}"},
                            "data": schemas.ref(name, Use.ANSWER),
                        },
                    },
                ]
            },
            "bindings": {"amqp": {"messageType": kind, "bindingVersion": "0.3.0"}},
        }
        channels[kind] = {
            "address": kind,
            "title": title,
            "description": comment,
            "messages": {title: {"$ref": f"#/components/messages/{kind}"}},
            "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
        }
        operations[f"{service}.{title}"] = {
            "action": "send",
            "title": title,
            "summary": f"The {service} service announces it.",
            "channel": {"$ref": f"#/channels/{kind}"},
            "messages": [{"$ref": f"#/channels/{kind}/messages/{title}"}],
            "bindings": {"amqp": {"deliveryMode": 2, "bindingVersion": "0.3.0"}},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Wasl events",
            "version": "v1",
            "description": "What the network's services announce. An event carries the whole public state of its "
            "subject and that state's version, so that nobody has to ask back, and the newer one wins. Each is "
            "delivered at least once. Within a type only additions are made; a break is a new type beside the old one.",
            "license": {
                "name": "GNU Affero General Public License 3.0 or later",
                "url": "https://www.gnu.org/licenses/agpl-3.0.html",
            },
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "broker": {
                "host": "rabbitmq:5672",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "RabbitMQ, inside the network only.",
                "security": [{"type": "userPassword"}],
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": dict(sorted({**schemas.components, "CloudEvent": _ENVELOPE}.items())),
        },
    }
