"""Elastic's ECS as it is published: fields by their full names, in `ecs_flat.yml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Types that not every server has, and what takes the same values.
_TYPES = {
    "constant_keyword": "keyword",
    "flattened": "object",
    "match_only_text": "text",
    "wildcard": "keyword",
}


def fields(path: Path) -> dict[str, Any]:
    """What is said of each field, by its name."""
    loaded: dict[str, Any] = yaml.load(path.read_text("utf-8"), _LOADER)
    return loaded


def mapping(path: Path) -> dict[str, Any]:
    """Mappings that take ECS's fields, and anything under `vaulytica`, but no other name."""
    root: dict[str, Any] = {"properties": {}}
    for name, field in fields(path).items():
        place = root
        for part in name.split("."):
            place = place.setdefault("properties", {}).setdefault(part, {})
        kind = _TYPES.get(field["type"], field["type"])
        if kind in ("object", "nested"):
            place["dynamic"] = True  # what is in it, ECS leaves open
            place["type"] = kind
        elif "properties" not in place:
            place["type"] = kind
            if kind == "scaled_float":
                place["scaling_factor"] = field.get("scaling_factor", 1000)
    root["properties"]["vaulytica"] = {"type": "object", "enabled": False}
    return {"dynamic": "strict", **root}


def leaves(document: Any, name: str = "") -> list[tuple[str, Any]]:
    """The values of a document by their full names; an array is one value."""
    if isinstance(document, dict) and document:
        return [
            leaf
            for key, value in document.items()
            for leaf in leaves(value, f"{name}.{key}" if name else key)
        ]
    return [(name, document)]
