"""The published contracts: JSON Schemas of all messages, and AsyncAPI 3 of all topics, from the types.

`mien schemas --out docs/schemas` writes them; a test keeps the committed files in step.
"""

from typing import Any

import msgspec

from streams.messages import alert, camera_truth, emotion_event, verdict
from streams.messages.alert import Alert
from streams.messages.camera_truth import CameraTruth
from streams.messages.emotion_event import EmotionEvent
from streams.messages.frame_message import FrameHeaders
from streams.messages.landmarks_message import SCHEMA, Landmarks
from streams.messages.verdict import Verdict
from streams.settings import Settings
from streams.topics import Topic

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def documents(settings: Settings) -> dict[str, dict[str, Any]]:
    """File name → document."""
    return {
        "frame-headers.schema.json": _schema(FrameHeaders, "Headers of a frame"),
        "landmarks.schema.json": _schema(Landmarks, f"{SCHEMA}, encoded as MessagePack"),
        "emotion.schema.json": _schema(EmotionEvent, f"Data of {emotion_event.CE_TYPE}"),
        "alert.schema.json": _schema(Alert, f"Data of {alert.CE_TYPE}"),
        "camera.schema.json": _schema(CameraTruth, f"Data of {camera_truth.CE_TYPE}"),
        "verdict.schema.json": _schema(Verdict, f"Data of {verdict.CE_TYPE}"),
        "asyncapi.json": _asyncapi(settings),
    }


def _schema(kind: type, title: str) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    return {"$schema": _DIALECT, "title": title, **reference, "$defs": components}


def _asyncapi(settings: Settings) -> dict[str, Any]:
    """https://www.asyncapi.com/docs/reference/specification/v3.0.0"""
    topics = settings.topics
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Mien", "version": "1", "description": "Streams of faces, explained."},
        "defaultContentType": "application/json",
        "channels": {
            "frames": _channel(
                topics.frames,
                {
                    "contentType": "image/jpeg",
                    "headers": {"$ref": "./frame-headers.schema.json"},
                    "bindings": _key("camera id"),
                },
            ),
            "landmarks": _channel(
                topics.landmarks,
                {
                    "contentType": "application/msgpack",
                    "payload": {"$ref": "./landmarks.schema.json"},
                    "bindings": _key("camera id"),
                },
            ),
            "emotions": _channel(
                topics.emotions,
                {
                    "payload": {"$ref": "./emotion.schema.json"},
                    "headers": _cloud_event(emotion_event.CE_TYPE),
                    "bindings": _key("subject id"),
                },
            ),
            "alerts": _channel(
                topics.alerts,
                {
                    "payload": {"$ref": "./alert.schema.json"},
                    "headers": _cloud_event(alert.CE_TYPE),
                    "bindings": _key("rule, a slash, and the subject id, or the camera id without a subject"),
                },
            ),
            "cameras": _channel(
                topics.cameras,
                {
                    "payload": {"$ref": "./camera.schema.json"},
                    "headers": _cloud_event(camera_truth.CE_TYPE),
                    "bindings": _key("camera id"),
                },
            ),
            "verdicts": _channel(
                topics.verdicts,
                {
                    "payload": {"$ref": "./verdict.schema.json"},
                    "headers": _cloud_event(verdict.CE_TYPE),
                    "bindings": _key("alert id"),
                },
            ),
            "deadLetters": _channel(
                topics.dead_letters,
                {
                    "description": "A refused message as it came, with dead-letter-… headers that say why.",
                    "bindings": _key("as it came"),
                },
            ),
        },
    }


def _cloud_event(ce_type: str) -> dict[str, Any]:
    """Headers of CloudEvents in Kafka's binary mode."""
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"],
        "properties": {"ce_type": {"const": ce_type}, "ce_specversion": {"const": "1.0"}},
    }


def _channel(topic: Topic, message: dict[str, Any]) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": topic.holds,
        "messages": {"message": message},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": topic.config()["cleanup.policy"].split(","),
                    "retention.ms": topic.retention_ms,
                    "max.message.bytes": topic.max_message_bytes,
                },
            }
        },
    }


def _key(meaning: str) -> dict[str, Any]:
    return {"kafka": {"key": {"type": "string", "description": meaning}}}
