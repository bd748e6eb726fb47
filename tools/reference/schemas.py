"""What a JSON schema allows, in words."""

from typing import Any

Schema = dict[str, Any]
_BOUNDS = (
    ("minimum", "≥ {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "≤ {}"),
    ("exclusiveMaximum", "< {}"),
    ("maxItems", "at most {} items"),
)


def allowed(schema: Schema) -> str:
    """Type, values and bounds, such as "integer ≥ 1". The possibility of null is left to the default."""
    options = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if len(options) == 1:
        return allowed({**schema, **options[0], "anyOf": []})
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {allowed(schema.get('items', {}))} {_bounds(schema)}".strip()
    if "additionalProperties" in schema:
        return f"map of {allowed(schema['additionalProperties'])}"
    kind = {"path": "file", "date-time": "time"}.get(schema.get("format", ""), schema.get("type", ""))
    return f"{kind} {_bounds(schema)}".strip()


def _bounds(schema: Schema) -> str:
    return ", ".join(text.format(schema[name]) for name, text in _BOUNDS if name in schema)
