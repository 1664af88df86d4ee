import sys

import pytest

from bench.errors import RequestError
from bench.user_code import import_function


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine_for_test.py").write_text("def judge():\n    return 7\nlimit = 3\n")
    (tmp_path / "torn_for_test.py").write_text("import nowhere_to_be_found\n")
    yield str(tmp_path)
    sys.modules.pop("mine_for_test", None)


def test_function_is_found_and_the_path_left_as_it_was(folder):
    path = list(sys.path)
    assert import_function("mine_for_test:judge", folder, "metric")() == 7
    assert sys.path == path


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (
            "absent_for_test:judge",
            "metric 'absent_for_test:judge' must be module:function, importable from .*ModuleNotFound",
        ),
        ("torn_for_test:judge", "importing 'torn_for_test' raised ModuleNotFoundError: No module named 'nowhere"),
        ("mine_for_test:jugde", "none called 'jugde'. Did you mean 'judge'"),
        ("mine_for_test:limit", "must name a function"),
        ("mine_for_test:", "must name a function"),
        (":judge", "must be module:function"),
    ],
)
def test_what_is_wrong_is_said(folder, reference, text):
    path = list(sys.path)
    with pytest.raises(RequestError, match=text):
        import_function(reference, folder, "metric")
    assert sys.path == path
