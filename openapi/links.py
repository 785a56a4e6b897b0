"""Links of OpenAPI: the calls that take what a call has answered.

A created thing links to every call that takes its id or its keys, a list to the calls that read one
of its entries, and a thing that was read to the calls that change it.
"""

from collections.abc import Container, Sequence

from google.protobuf.descriptor import Descriptor

from openapi.bodies import list_outputs
from openapi.fields.words import Constraints
from openapi.routes import Route

BODY = "$response.body#/"
CREATED = 201


def add_links(routes: Sequence[Route], paths: Constraints) -> None:
    """Add its links to the answer of each call."""
    operations = {each.name: paths[each.path][each.method.lower()] for each in routes}
    for route in routes:
        links = {}
        for target in routes:
            if target is route or not _leads_to(route, target):
                continue
            if parameters := _fill_parameters(route, target, operations[target.name]):
                links[target.name] = {"operationId": target.name, "parameters": parameters}
        if links:
            operations[route.name]["responses"][str(route.status)]["links"] = links


def _leads_to(route: Route, target: Route) -> bool:
    if route.is_list:
        return target.method == "GET"
    if route.is_single:
        return target.method != "GET"
    return route.method == "POST" and route.status == CREATED


def _fill_parameters(route: Route, target: Route, operation: Constraints) -> dict[str, str]:
    """Return where each parameter of another call is found; none unless all that it needs are."""
    found: dict[str, str] = {}
    for each in operation["parameters"]:
        if "name" not in each or not (each["required"] or each["name"].endswith("_key")):
            continue
        if source := _find_source(route, target, each["name"]):
            found[f"{each['in']}.{each['name']}"] = source
        elif each["required"]:
            return {}
    references = [each.get("$ref", "") for each in operation["parameters"]]
    is_same = route.is_single and target.path.startswith(route.path)
    if found and is_same and any(each.endswith("IfMatch") for each in references):
        found["header.If-Match"] = "$response.header.ETag"
    return found if any(each.startswith("$response") for each in found.values()) else {}


def _find_source(route: Route, target: Route, name: str) -> str:
    """Return the expression that finds a parameter in a call or its answer; '' if none does."""
    noun = name.removesuffix("_id")
    outputs = list_outputs(route)
    if _answers(route, target, name) and any("id" in each.fields_by_name for _, each in outputs):
        return f"{BODY}id"
    if route.is_list and route.name == f"list_{noun}s":
        return f"{BODY}data/0/id"
    if name in route.path_fields:
        return f"$request.path.{name}"
    for writer, descriptor in outputs:
        absent = writer.optional if route.status == CREATED else ()
        if place := _find_place(descriptor, name, noun, absent):
            return f"{BODY}{place}"
    is_asked = route.has_query and any(name in each.shape for each in route.readers)
    return f"$request.query.{name}" if is_asked else ""


def _answers(route: Route, target: Route, name: str) -> bool:
    """Return whether a call answers the thing that a path field of another names."""
    collection = route.path.split("/{")[0]
    one = f"{collection}/{{{name}}}"
    is_new = route.has_location or (route.method == "POST" and route.path == collection)
    is_read = route.is_single and route.path == one
    return (is_new or is_read) and target.path.startswith(one)


def _find_place(descriptor: Descriptor, name: str, noun: str, absent: Container[str]) -> str:
    """Return where an answer has a field, or the id of an entry of a list of that noun."""
    if name in descriptor.fields_by_name:
        return name
    for field in descriptor.fields:
        if field.message_type is None or field.name in absent:
            continue
        place = f"{field.name}/0" if field.is_repeated else field.name
        if field.is_repeated and field.name.endswith(f"{noun}s"):
            return f"{place}/id"
        if field.message_type is not descriptor and (
            inner := _find_place(field.message_type, name, noun, absent)
        ):
            return f"{place}/{inner}"
    return ""
