"""The OpenAPI document as a plain page to read: no script, nothing from other servers."""

from collections.abc import Iterator
from html import escape

from fhirbridge.jsontypes import JsonObject

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem;
  color: #1a1a1a; background: #fff }
h1, h2, h3 { line-height: 1.25 }
h3 code { font-size: 1rem }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
a { color: #0b4f8a }
.method { font-weight: 700 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
th, td { border: 1px solid #767676; padding: .25rem .5rem; text-align: left; vertical-align: top }
th { background: #f0f0f0 }
details { margin: .5rem 0 }
summary { cursor: pointer }
ul.fields { padding-left: 1.25rem }
"""


def render(document: JsonObject) -> str:
    """A page with every operation and every schema."""
    info = document["info"]
    tags = [tag["name"] for tag in document["tags"]]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>",
        f"<header><h1>{escape(info['title'])} API {escape(info['version'])}</h1>",
        f"<p>{escape(info['description'])}</p>",
        *_who_may_call(document),
        '<p>For programs: <a href="openapi.json">openapi.json</a></p></header>',
        '<nav aria-label="Contents"><ul>',
        *(f'<li><a href="#{tag}">{tag}</a></li>' for tag in tags),
        '<li><a href="#schemas">schemas</a></li></ul></nav><main>',
    ]
    for tag in tags:
        parts.append(f'<section id="{tag}"><h2>{tag}</h2>')
        parts += _operations(document, tag)
        parts.append("</section>")
    parts.append('<section id="schemas"><h2>schemas</h2>')
    for name, schema in document["components"]["schemas"].items():
        parts.append(f'<section id="schema-{name}"><h3>{name}</h3>')
        parts += _schema(schema)
        parts.append("</section>")
    parts.append("</section></main></body></html>\n")
    return "\n".join(parts)


def _who_may_call(document: JsonObject) -> Iterator[str]:
    """What a caller has to show, where it has to show something."""
    schemes = document["components"]["securitySchemes"]
    for asked in document["security"]:
        yield from (
            f"<p>Who calls needs: {escape(schemes[name]['description'])}</p>" for name in asked
        )


def _operations(document: JsonObject, tag: str) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield from _operation(path, method, operation)


def _operation(path: str, method: str, operation: JsonObject) -> Iterator[str]:
    heading = f'<span class="method">{method.upper()}</span> <code>{escape(path)}</code>'
    yield f'<section id="{operation["operationId"]}"><h3>{heading}</h3>'
    yield f"<p>{escape(operation['summary'])}</p>"
    if operation.get("description"):
        yield f"<p>{escape(operation['description'])}</p>"
    if operation.get("parameters"):
        yield "<table><caption>Parameters</caption><tr><th scope=col>Name</th>"
        yield "<th scope=col>In</th><th scope=col>Type</th><th scope=col>Meaning</th></tr>"
        for one in operation["parameters"]:
            yield (
                f"<tr><td><code>{escape(one['name'])}</code></td><td>{one['in']}</td>"
                f"<td>{_type(one['schema'])}</td><td>{escape(one.get('description', ''))}</td></tr>"
            )
        yield "</table>"
    if "requestBody" in operation:
        yield f"<p>Body: {_linked(operation['requestBody'])}</p>"
    yield "<table><caption>Answers</caption><tr><th scope=col>Status</th>"
    yield "<th scope=col>Meaning</th><th scope=col>Body</th></tr>"
    for status, answer in operation["responses"].items():
        meaning = answer["description"]
        yield f"<tr><td>{status}</td><td>{meaning}</td><td>{_linked(answer)}</td></tr>"
    yield "</table></section>"


def _linked(holder: JsonObject) -> str:
    return _type(next(iter(holder["content"].values()))["schema"])


def _type(schema: JsonObject) -> str:
    """A type in a few words, named schemas as links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{name}">{name}</a>'
    if "oneOf" in schema:
        return " or ".join(_type(one) for one in schema["oneOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    words = [schema.get("format") or schema.get("type", "object")]
    if "enum" in schema:
        words = ["one of " + ", ".join(f"<code>{escape(code)}</code>" for code in schema["enum"])]
    if "minimum" in schema:
        words.append(f"from {schema['minimum']}")
    if "maximum" in schema:
        words.append(f"to {schema['maximum']}")
    if schema.get("nullable"):
        words.append("or null")
    if "default" in schema:
        words.append(f"(default {escape(str(schema['default']).lower())})")
    return " ".join(words)


def _schema(schema: JsonObject) -> Iterator[str]:
    for part in schema.get("allOf", ()):
        yield from [f"<p>{_type(part)}, and:</p>"] if "$ref" in part else _schema(part)
    if schema.get("description"):
        yield f"<p>{escape(schema['description'])}</p>"
    yield from _fields(schema)


def _fields(schema: JsonObject) -> Iterator[str]:
    members = schema.get("properties")
    if not members:
        return
    required = schema.get("required", ())
    yield '<ul class="fields">'
    for name, member in members.items():
        needed = " <strong>required</strong>" if name in required else ""
        words = escape(member.get("description", ""))
        item = member["items"] if member.get("type") == "array" else member
        words = words or escape(item.get("description", ""))
        line = f"<code>{escape(name)}</code>{needed}: {_type(member)}. {words}"
        inner = list(_fields(item))
        if inner:
            yield f"<li><details><summary>{line}</summary>"
            yield from inner
            yield "</details></li>"
        else:
            yield f"<li>{line}</li>"
    yield "</ul>"
