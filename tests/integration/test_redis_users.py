"""Redis users have what their service needs, and each command that is taken away is missed by name."""

from pathlib import Path

import pytest
from conftest import start_worker
from redis.exceptions import NoPermissionError
from secured_servers import SecuredKafka, SecuredValkey
from services import REFUSED, stack_of, status_of

from musicrec.access import RANKING, SERVICES, SESSION, Service
from musicrec.errors import Incompatible
from streams.redis_access import check_redis
from streams.redis_connection import connect

pytestmark = pytest.mark.kafka

USERS = [pytest.param(service, id=service.name) for service in SERVICES if service.redis is not None]


async def refusal(valkey: SecuredValkey, service: Service) -> str:
    """Return what the check at the start says; empty where nothing is refused."""
    assert service.redis is not None
    client = connect(valkey.settings(service.user))
    try:
        await check_redis(client, service.redis)
    except Incompatible as error:
        return str(error)
    finally:
        await client.aclose()
    return ""


@pytest.mark.row(9)
@pytest.mark.parametrize("service", USERS)
async def test_each_command_that_is_taken_away_is_missed_before_anything_begins(
    service: Service, tmp_path: Path
) -> None:
    assert service.redis is not None
    async with SecuredValkey(tmp_path) as valkey:
        assert await refusal(valkey, service) == ""
        for command in (*service.redis.commands, "ping", "multi"):
            await valkey.set_user(service.user, service.redis, f"-{command}")
            said = await refusal(valkey, service)
            assert f"Redis at localhost:{valkey.port} refuses user '{service.user}': " in said
            assert command in said
        await valkey.set_user(service.user, service.redis, "resetkeys", "~other:*")
        said = await refusal(valkey, service)
        assert all(f"on {pattern}" in said for pattern in service.redis.keys)
        assert await valkey.administrator.keys("*") == []


@pytest.mark.row(9)
@pytest.mark.parametrize("service", USERS)
async def test_a_user_can_neither_see_other_keys_nor_administer(service: Service, tmp_path: Path) -> None:
    async with SecuredValkey(tmp_path) as valkey:
        client = connect(valkey.settings(service.user))
        for words in (("GET", "other"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "LIST")):
            with pytest.raises(NoPermissionError):
                await client.execute_command(*words)
        with pytest.raises(NoPermissionError):
            await client.hget("musicrec:session-of-another-kind", "state")
        await client.aclose()


@pytest.mark.row(9)
async def test_what_a_service_may_only_read_it_cannot_write_and_misses_by_name(tmp_path: Path) -> None:
    assert RANKING.redis is not None
    assert RANKING.redis_reads is not None
    async with SecuredValkey(tmp_path) as valkey:
        client = connect(valkey.settings(RANKING.user))
        await check_redis(client, RANKING.redis_reads)
        for words in (("SET", "musicrec:session:ann", "state"), ("PEXPIRE", "musicrec:session:ann", "1")):
            with pytest.raises(NoPermissionError):
                await client.execute_command(*words)
        await valkey.set_user(RANKING.user, RANKING.redis)
        await check_redis(client, RANKING.redis)
        with pytest.raises(Incompatible, match=r"hmget on musicrec:session:\*"):
            await check_redis(client, RANKING.redis_reads)
        await client.aclose()


@pytest.mark.row(9)
async def test_a_worker_whose_user_lacks_a_command_says_which_and_ends(
    secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    assert SESSION.redis is not None
    async with SecuredValkey(tmp_path) as valkey:
        await valkey.set_user(SESSION.user, SESSION.redis, "-hset")
        worker = start_worker(stack_of(SESSION, secured_kafka, valkey), tmp_path, "session")
        assert await status_of(worker) == REFUSED
    said = worker.log_file.read_text()
    assert "refuses user 'musicrec-session': hset on musicrec:session:*;" in said
    assert "Traceback" not in said


@pytest.mark.row(9)
@pytest.mark.parametrize("service", USERS)
async def test_a_full_server_lets_in_who_has_the_rights(service: Service, tmp_path: Path) -> None:
    assert service.redis is not None
    async with SecuredValkey(tmp_path) as valkey:
        await valkey.administrator.config_set("maxmemory", "1")
        assert await refusal(valkey, service) == ""
        await valkey.set_user(service.user, service.redis, "resetkeys", "~other:*")
        assert "refuses user" in await refusal(valkey, service)
