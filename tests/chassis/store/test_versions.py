"""The revisions of a service, read by several threads at once, as `optigate status` does."""

from concurrent.futures import ThreadPoolExecutor

from chassis.store.versions import read_revisions
from tests.serving import SERVICES, get_definition


def test_threads_read_revisions_at_once() -> None:
    folders = [get_definition(name).migrations for name in SERVICES] * 20
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(read_revisions, folders))
    assert found == found[: len(SERVICES)] * 20
    assert all(len(each) > 5 for each in found)
