"""The locustfile asks for routes that the gateway has. locust itself is not installed here."""

import ast
from pathlib import Path

import bench
from gateway import create_app

SOURCE = (Path(bench.__file__).parent / "locustfile.py").read_text()
METHODS = {"get": "GET", "post": "POST"}


def find_requests(tree: ast.Module) -> set[tuple[str, str]]:
    """Return method and path of each `self.client` call; what an f-string inserts is `x`."""
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    paths: dict[str, ast.expr] = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "path"
    }

    def evaluate(node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return str(constants[node.id]) if node.id in constants else evaluate(paths[node.id])
        if isinstance(node, ast.JoinedStr):
            return "".join(map(evaluate, node.values))
        if isinstance(node, ast.FormattedValue):
            inner = node.value
            return evaluate(inner) if isinstance(inner, ast.Name) else "x"
        assert isinstance(node, ast.Constant)
        return str(node.value)

    return {
        (METHODS[node.func.attr], evaluate(node.args[0]))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in METHODS
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "client"
    }


def test_it_asks_for_routes_that_exist() -> None:
    requests = find_requests(ast.parse(SOURCE))
    assert {path.split("/")[-1] for _, path in requests} >= {"orders", "sessions", "subscriptions"}
    routes = create_app({}).url_map.bind("127.0.0.1")
    for method, path in sorted(requests):
        assert routes.match(path, method=method)


def test_it_imports_nothing_but_locust_beside_the_standard_library() -> None:
    tree = ast.parse(SOURCE)
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert imported == {"copy", "json", "os", "uuid", "pathlib", "typing", "locust"}
    compile(tree, "locustfile.py", "exec")
