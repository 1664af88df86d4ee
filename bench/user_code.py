"""Code of the user's own, named ``module:function`` on the command line."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from bench.errors import RequestError, nearest


def import_function(reference: str, folder: str, role: str) -> Callable[..., Any]:
    """Import ``module:function`` with ``folder`` searched first; ``role`` says in messages what it is wanted for.

    Raises:
        RequestError: the module cannot be imported, or has no such function.
    """
    module_name, _, function_name = reference.partition(":")
    importlib.invalidate_caches()
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise RequestError(
            f"{role} {reference!r} must be module:function, importable from {folder}; importing {module_name!r} raised "
            f"{type(error).__name__}: {error}."
        ) from error
    finally:
        sys.path.remove(folder)
    function: Callable[..., Any] | None = getattr(module, function_name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if callable(value)]
        raise RequestError(
            f"{role} {reference!r} must name a function; module {module_name!r} has none called {function_name!r}."
            f"{nearest(function_name, functions)}"
        )
    return function
