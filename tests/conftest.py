"""For all tests. Two processes share the files (`./dev test`); one of them gets all of e2e, which shares a stack."""

import pathlib

import pytest

pytest_plugins = ["chassis.testing"]


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in this hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder, file = pathlib.Path(item.fspath).parts[-2:]
        item.add_marker(pytest.mark.xdist_group(folder if folder == "e2e" else file))
