import pytest

from app.serving.access.identity import User
from app.serving.access.requestheader import BadIdentityHeader, IdentityHeaders
from app.serving.access.reviews import AuthenticationConfig
from tests.serving.access_doubles import requestheader_config

USUAL = IdentityHeaders(requestheader_config(client_ca="", proxy_ca=""))


def test_user_groups_uid_and_extra_are_read():
    headers = [
        (b"host", b"x"),
        (b"x-remote-user", b"alice"),
        (b"x-remote-group", b"one"),
        (b"x-remote-group", b"two, three"),
        (b"x-remote-uid", b"42"),
        (b"x-remote-extra-scopes", b"a"),
        (b"x-remote-extra-scopes", b"b"),
        (b"x-remote-extra-acme.com%2Fproject", b"p"),
    ]
    assert USUAL.user(headers) == User(
        "alice",
        uid="42",
        groups=("one", "two, three"),
        extra=(("acme.com/project", ("p",)), ("scopes", ("a", "b"))),
    )


def test_the_first_name_that_is_not_blank_counts():
    config = AuthenticationConfig(username_headers=("X-Other-User", "X-Remote-User"))
    headers = [(b"x-remote-user", b"second"), (b"x-other-user", b"  ")]
    found = IdentityHeaders(config).user(headers)
    assert found is not None
    assert found.name == "second"


def test_of_a_repeated_user_header_the_first_counts():
    found = USUAL.user([(b"x-remote-user", b"alice"), (b"x-remote-user", b"system:admin")])
    assert found is not None
    assert found.name == "alice"


@pytest.mark.parametrize("headers", [[], [(b"x-remote-user", b"")], [(b"x-remote-group", b"system:masters")]])
def test_without_a_user_name_there_is_no_identity(headers):
    assert USUAL.user(headers) is None


def test_extra_keys_are_lowered_and_unescaped_once():
    found = USUAL.user([(b"x-remote-user", b"a"), (b"x-remote-extra-Key%2541", b"v")])
    assert found is not None
    assert found.extra == (("key%41", ("v",)),)


def test_bytes_that_are_not_text_are_refused():
    with pytest.raises(BadIdentityHeader):
        USUAL.user([(b"x-remote-user", b"\xff\xfe")])


def test_unicode_names_are_read_as_utf8():
    found = USUAL.user([(b"x-remote-user", "jürgen".encode())])
    assert found is not None
    assert found.name == "jürgen"


def test_identity_headers_are_removed_whoever_sent_them():
    config = AuthenticationConfig(username_headers=("X-Our-User",), extra_prefixes=("X-Our-Extra-",))
    headers = [
        (b"accept", b"*/*"),
        (b"x-our-user", b"a"),
        (b"x-our-extra-k", b"v"),
        (b"x-remote-user", b"a"),
        (b"x-remote-uid", b"1"),
        (b"x-remote-group", b"g"),
        (b"x-remote-extra-k", b"v"),
        (b"x-remoteness", b"far"),
    ]
    assert IdentityHeaders(config).without(headers) == [(b"accept", b"*/*"), (b"x-remoteness", b"far")]
    assert IdentityHeaders(AuthenticationConfig()).without(headers[3:]) == [(b"x-remoteness", b"far")]
