"""A value that is asked for as a Secret is seen nowhere."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import traceback

import pytest
from conftest import World

from agent_vault import Secret, UsageError, Vault

VALUE = "sk_live_51"


@pytest.fixture
def secret(world: World) -> Secret:
    return Vault(world.repo).get_secret("stripe/api-key")


def test_nothing_that_shows_objects_shows_it(secret: Secret) -> None:
    log = io.StringIO()
    logger = logging.getLogger("test")
    logger.addHandler(logging.StreamHandler(log))
    logger.warning("got %s %r %10s", secret, secret, secret)
    logger.warning(f"got {secret} {secret!r} {secret:>60} {secret!s:5}")

    @dataclasses.dataclass
    class Configuration:
        key: Secret

    shown = [
        log.getvalue(),
        str(secret),
        repr([secret]),
        "{0:.3}".format(secret),
        "%s" % secret,
        json.dumps({"key": secret}, default=str),
        str(Configuration(secret)),
        str(dataclasses.asdict(Configuration(secret))),
        str(vars(type(secret))) + str(dir(secret)),
    ]
    assert all(VALUE not in text for text in shown)
    assert str(secret) == 'Secret("stripe/api-key", redacted)' and secret.path == "stripe/api-key"


def test_a_traceback_with_locals_does_not_show_it(world: World) -> None:
    def fails(held: Secret) -> None:
        raise RuntimeError(f"cannot use {held}")

    try:
        fails(Vault(world.repo).get_secret("stripe/api-key"))
    except RuntimeError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "held = Secret" in told and VALUE not in told


def test_it_is_not_pickled_and_copies_are_itself(secret: Secret) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret, protocol)
    assert copy.copy(secret) is secret and copy.deepcopy([secret])[0] is secret


def test_it_is_exposed_on_purpose_until_it_is_wiped(secret: Secret) -> None:
    assert (secret.expose(), secret.expose_bytes(), secret.wiped) == (VALUE, VALUE.encode(), False)
    with secret as held:
        assert held is secret
    assert secret.wiped
    for call in (secret.expose, secret.expose_bytes):
        with pytest.raises(UsageError, match="was wiped"):
            call()
    secret.wipe()


def test_it_can_be_stored_without_being_shown(world: World, secret: Secret) -> None:
    vault = Vault(world.repo)
    vault.set("stripe/copy", secret)
    assert vault.get("stripe/copy") == VALUE
    with pytest.raises(TypeError, match="not list") as caught:
        vault.set("stripe/copy", [VALUE])  # type: ignore[arg-type]
    assert VALUE not in str(caught.value)
