"""Describes a program's management endpoint as an OpenAPI 3.1 document, from the types that it answers with."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}}
_REF: Final = "#/components/schemas/{name}"


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the query."""

    name: str
    about: str
    required: bool = True


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to ask or to do: what it answers with, and whether that needs the token; None is text."""

    method: Literal["get", "post"]
    path: str
    about: str
    answer: type[msgspec.Struct] | None
    needs_token: bool = True
    parameters: tuple[Parameter, ...] = ()


def openapi(title: str, version: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document (OpenAPI 3.1.0), as JSON has it."""
    kinds = [endpoint.answer for endpoint in endpoints if endpoint.answer is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        content = {"application/json": {"schema": schema_of[endpoint.answer]}} if endpoint.answer else _TEXT
        paths.setdefault(endpoint.path, {})[endpoint.method] = _operation(endpoint, content)
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "cluster.management_token"}
            },
        },
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    return plain


def _operation(endpoint: Endpoint, content: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": endpoint.about, "content": content}}
    if endpoint.needs_token:
        responses["403"] = {"description": "The token is missing or wrong.", "content": _TEXT}
    if endpoint.method == "post" or endpoint.parameters:
        responses["400"] = {"description": "It is not done; the text says why.", "content": _TEXT}
    return {
        "operationId": endpoint.path.strip("/").replace(".", "_"),
        "summary": endpoint.about,
        "security": [{"token": []}] if endpoint.needs_token else [],
        "parameters": [
            {
                "name": one.name,
                "in": "query",
                "required": one.required,
                "description": one.about,
                "schema": {"type": "string"},
            }
            for one in endpoint.parameters
        ],
        "responses": responses,
    }
