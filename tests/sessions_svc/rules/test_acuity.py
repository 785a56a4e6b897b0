"""The rules of acuity exams: chart lines."""

import pytest

from sessions_svc.rules.acuity import to_snellen


@pytest.mark.parametrize(
    ("logmar", "line"),
    [
        (-0.3, "20/10"),
        (-0.2, "20/12.5"),
        (-0.1, "20/16"),
        (0.0, "20/20"),
        (-0.02, "20/20"),
        (0.04, "20/20"),
        (0.06, "20/25"),
        (0.1, "20/25"),
        (0.2, "20/32"),
        (0.3, "20/40"),
        (0.4, "20/50"),
        (0.5, "20/63"),
        (0.6, "20/80"),
        (0.7, "20/100"),
        (0.8, "20/125"),
        (0.9, "20/160"),
        (1.0, "20/200"),
        (1.1, "20/250"),
        (1.2, "20/320"),
        (1.3, "20/400"),
    ],
)
def test_snellen_is_the_nearest_line(logmar: float, line: str) -> None:
    assert to_snellen(logmar) == line
