"""An object store's answer that was saved in the place of the object."""

from __future__ import annotations

import pytest

from biomedica.errors import Deferred
from biomedica.sources.article import check_answer

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'


@pytest.mark.parametrize("code", [b"SlowDown", b"InternalError", b"AccessDenied", b"RequestTimeout"])
@pytest.mark.parametrize("head", [HEAD, b"", b"\n"])
def test_a_fault_that_may_pass_is_deferred(head: bytes, code: bytes) -> None:
    with pytest.raises(Deferred, match=f"{code.decode()} of an object store"):
        check_answer(head + b"<Error><Code>" + code + b"</Code></Error>", "file:///a.xml")


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"<Error><Code>NoSuchKey</Code></Error>",
        HEAD + b"<article><body><p>An error.</p></body></article>",
        b"<Error/>",
        b"",
        b"\xff\xd8\xff" + bytes(100),
    ],
)
def test_all_else_is_left_to_its_reader(data: bytes) -> None:
    check_answer(data, "file:///a.xml")
