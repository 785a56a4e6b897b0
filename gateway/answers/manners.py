"""What every answer of an API gets on its way out."""

from flask import Flask, Response, g
from flask.globals import request_ctx

from gateway.answers.coding import MIN_BYTES, code_answer, is_to_be_coded, may_be_coded
from gateway.answers.validators import READ_METHODS, add_validator, answer_not_modified
from gateway.callers import SERVICES

READ_CACHING = "private, no-cache"


def register(app: Flask) -> None:
    """Make the application finish the answers of its APIs."""

    @app.after_request
    def finish_answer(response: Response) -> Response:
        asked = request_ctx.request
        if asked.blueprint not in SERVICES:
            return response
        version = g.get("version")
        if asked.method not in READ_METHODS:
            if version is not None:
                add_validator(response, version)
            is_large = (response.content_length or 0) >= MIN_BYTES
            if is_large and may_be_coded(response) and is_to_be_coded(response):
                code_answer(response)
            return response
        if response.headers.get("Cache-Control") is None:
            response.headers["Cache-Control"] = READ_CACHING
        is_coded = may_be_coded(response) and is_to_be_coded(response)
        if response.status_code == 200:
            add_validator(response, version)
            if answer_not_modified(response, is_coded=is_coded):
                return response
        if is_coded:
            code_answer(response)
        return response
