"""A real schema registry: our schemas in it, and values that Confluent's serializers write and read."""

import asyncio
import base64
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from certificates import self_signed
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from conftest import Worker, skip_or_fail
from gateway_process import GatewayProcess, until_readyz
from probe import about, reading
from registry_server import RegistryServer
from services import REFUSED, command

from musicrec.client import AsyncClient, play
from musicrec.contracts import ListenEvent, Recommendation, SessionSnapshot, Track
from musicrec.contracts.record import without_frame
from musicrec.errors import Incompatible, MusicrecError, Unavailable
from musicrec.local import StackAddresses
from musicrec.local.free_port import LOOPBACK, free_port
from musicrec.registry.published_schemas import published_schema, subject_of
from musicrec.registry.registering import apply_registration, registration_plan, wanted_schemas
from musicrec.registry.registration_plan import DEFAULT_COMPATIBILITY, Kind
from musicrec.registry.registry_client import RegistryClient
from musicrec.registry.schema_marks import FILE, schema_marks
from musicrec.registry.wire_format import VALUE_SCHEMA_ID
from musicrec.settings import RegistrySettings
from musicrec.topics import LISTENS, OUTCOMES, RECOMMENDATIONS, SESSIONS, TOPICS, TRACKS

pytestmark = pytest.mark.kafka

PAGE = (Path(__file__).resolve().parents[2] / "docs/schema-registry.md").read_text()
PROGRAM_DEADLINE_S = 120
LISTS = RECOMMENDATIONS.name
Json = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A running registry, empty at first."""
    with asyncio.Runner() as runner:
        registry = RegistryServer(tmp_path_factory.mktemp("registry"))
        try:
            runner.run(registry.start())
        except MusicrecError as error:
            skip_or_fail(f"no schema registry: {error}")
        yield registry
        runner.run(registry.stop())


@pytest.fixture
async def registry(server: RegistryServer) -> AsyncIterator[RegistryClient]:
    async with RegistryClient(RegistrySettings(url=server.url)) as client:
        yield client


@pytest.fixture
async def registered(registry: RegistryClient) -> None:
    """All schemas registered."""
    wanted = wanted_schemas()
    await apply_registration(registry, wanted, await registration_plan(registry, wanted, DEFAULT_COMPATIBILITY))


def own_schemas(name: str, change: Callable[[Json], Json] = lambda schema: schema) -> dict[str, str]:
    """Return all schemas under subjects of a test's own."""
    wanted = wanted_schemas()
    return {f"{name}-{subject}": json.dumps(change(json.loads(schema))) for subject, schema in wanted.items()}


def opened(schema: Json) -> Json:
    text = (
        json.dumps(schema).replace('"additionalProperties": false, ', "").replace(', "additionalProperties": false', "")
    )
    found: Json = json.loads(text)
    return found


def with_a_new_optional_field(schema: Json) -> Json:
    mood = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    return schema | {"properties": schema["properties"] | {"mood": mood}}


def without_a_required_field(schema: Json) -> Json:
    *required, dropped = schema["required"]
    properties = {name: field for name, field in schema["properties"].items() if name != dropped}
    return schema | {"properties": properties, "required": required}


def with_one_more_required(schema: Json) -> Json:
    optional = next(name for name in schema["properties"] if name not in schema["required"])
    return schema | {"required": [*schema["required"], optional]}


async def test_the_commands_of_the_page_register_all_and_done_again_change_nothing(
    server: RegistryServer, registry: RegistryClient
) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    variables = {
        **os.environ,
        "MUSICREC_REGISTRY__URL": server.url,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-euo", "pipefail"], input=block, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f": create, {DEFAULT_COMPATIBILITY}") == 20  # twice, as the dry run does nothing
    assert "10 to do, 0 subjects as they should be" in done.stdout
    assert done.stdout.count("registered musicrec.") == 10
    assert "10 done, 0 subjects as they should be" in done.stdout
    plan = await registration_plan(registry, wanted_schemas(), DEFAULT_COMPATIBILITY)
    assert {change.kind for change in plan.changes} == {Kind.FINE}
    assert await apply_registration(registry, wanted_schemas(), plan) == {}
    async with ClientSession() as session, session.get(f"{server.url}/subjects") as answer:
        assert set(await answer.json()) >= {subject_of(topic) for topic in TOPICS if topic.record is not None}


@pytest.mark.parametrize(
    ("content", "level", "change", "kind"),
    [
        ("closed", "BACKWARD_TRANSITIVE", with_a_new_optional_field, Kind.ADD),
        ("closed", "BACKWARD_TRANSITIVE", without_a_required_field, Kind.REFUSED),
        ("closed", "BACKWARD_TRANSITIVE", with_one_more_required, Kind.REFUSED),
        ("closed", "FULL_TRANSITIVE", with_a_new_optional_field, Kind.REFUSED),
        ("closed", "FULL_TRANSITIVE", without_a_required_field, Kind.REFUSED),
        ("closed", "FULL_TRANSITIVE", with_one_more_required, Kind.REFUSED),
        ("open", "BACKWARD_TRANSITIVE", with_a_new_optional_field, Kind.REFUSED),
        ("open", "BACKWARD_TRANSITIVE", without_a_required_field, Kind.ADD),
        ("open", "BACKWARD_TRANSITIVE", with_one_more_required, Kind.REFUSED),
        ("open", "FULL_TRANSITIVE", with_a_new_optional_field, Kind.REFUSED),
        ("open", "FULL_TRANSITIVE", without_a_required_field, Kind.REFUSED),
        ("open", "FULL_TRANSITIVE", with_one_more_required, Kind.REFUSED),
    ],
)
async def test_the_registry_judges_the_change_of_any_record_as_the_page_says(
    registry: RegistryClient, content: str, level: str, change: Callable[[Json], Json], kind: Kind
) -> None:
    subjects, content_model = f"{content}-{level}", opened if content == "open" else lambda schema: schema
    before = own_schemas(subjects, content_model)
    await apply_registration(registry, before, await registration_plan(registry, before, level))
    after = own_schemas(subjects, lambda schema: change(content_model(schema)))
    plan = await registration_plan(registry, after, level)
    assert {found.subject: found_kind for found_kind, found in plan.changes} == dict.fromkeys(after, kind)
    assert all(found.forbidden for _, found in plan.refused)


@pytest.mark.parametrize("content", ["closed", "open"])
@pytest.mark.parametrize(("level", "kind"), [("BACKWARD_TRANSITIVE", Kind.ADD), ("FULL_TRANSITIVE", Kind.REFUSED)])
async def test_a_new_reason_is_taken_unless_old_schemas_have_to_know_it(
    registry: RegistryClient, content: str, level: str, kind: Kind
) -> None:
    before = json.loads(published_schema(Recommendation))
    before = opened(before) if content == "open" else before
    subject = f"words-{content}-{level}"
    old = {subject: json.dumps(before)}
    before["definitions"]["ReasonCode"]["enum"].append("played_at_weddings")
    new = {subject: json.dumps(before)}
    await apply_registration(registry, old, await registration_plan(registry, old, level))
    (change,) = (await registration_plan(registry, new, level)).changes
    assert change.kind is kind


async def test_a_schema_with_a_new_optional_field_becomes_a_second_version_with_an_id_of_its_own(
    registry: RegistryClient,
) -> None:
    before, after = own_schemas("second"), own_schemas("second", with_a_new_optional_field)
    first = await apply_registration(registry, before, await registration_plan(registry, before, DEFAULT_COMPATIBILITY))
    second = await apply_registration(registry, after, await registration_plan(registry, after, DEFAULT_COMPATIBILITY))
    assert first.keys() == second.keys() == before.keys()
    assert not set(first.values()) & set(second.values())
    for subject, schema in before.items():  # a release before this one goes on
        assert await registry.registered(subject, schema) == first[subject]


async def test_what_the_registry_forbids_changes_nothing_and_is_named(
    server: RegistryServer, registry: RegistryClient, stack: StackAddresses, tmp_path: Path
) -> None:
    subject = subject_of(LISTENS)
    foreign = f"foreign-{subject}"
    await registry.register(foreign, json.dumps(with_a_new_optional_field(json.loads(published_schema(ListenEvent)))))
    await registry.set_compatibility(foreign, "FULL_TRANSITIVE")
    async with forwarding(server, subject=subject, instead=foreign) as url:
        status, output = await command(stack, tmp_path, "contracts", "register", "--registry", url)
    assert status == REFUSED
    assert f"! {subject}: FULL_TRANSITIVE forbids it: without mood\n" in output
    assert f"nothing is changed: {url} forbids the schemas of {subject}" in output


@asynccontextmanager
async def forwarding(
    server: RegistryServer,
    *,
    answer: Callable[[web.Request], Awaitable[web.Response | None]] | None = None,
    subject: str = "",
    instead: str = "",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """Give the URL of a proxy before the registry, which answers some requests itself, or names a subject otherwise."""

    async def forward(request: web.Request) -> web.Response:
        own = await answer(request) if answer is not None else None
        if own is not None:
            return own
        path = request.path_qs.replace(subject, instead) if subject else request.path_qs
        url = f"http://{LOOPBACK}:{server.port}{path}"
        headers = {name: request.headers[name] for name in ("Content-Type", "Accept") if name in request.headers}
        body = await request.read()
        async with (
            ClientSession() as session,
            session.request(request.method, url, data=body, headers=headers) as there,
        ):
            return web.Response(status=there.status, body=await there.read(), content_type=there.content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    runner, port = web.AppRunner(app, shutdown_timeout=0.1), free_port()
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port, ssl_context=tls).start()
        yield f"{'https' if tls else 'http'}://{LOOPBACK}:{port}/apis/ccompat/v7"
    finally:
        await runner.cleanup()


async def test_a_registry_that_compares_with_the_latest_version_alone_is_asked_for_that(
    server: RegistryServer, registry: RegistryClient
) -> None:
    async def as_karapace(request: web.Request) -> web.Response | None:
        known = not re.search("/compatibility/subjects/[^/]+/versions$", request.path)
        return None if known else web.json_response({"detail": "Not Found"}, status=404)

    before, after = own_schemas("latest"), own_schemas("latest", without_a_required_field)
    await apply_registration(registry, before, await registration_plan(registry, before, DEFAULT_COMPATIBILITY))
    async with forwarding(server, answer=as_karapace) as url, RegistryClient(RegistrySettings(url=url)) as other:
        assert len((await registration_plan(other, after, DEFAULT_COMPATIBILITY)).refused) == len(after)


async def test_user_token_and_certificates_are_those_of_the_settings(
    server: RegistryServer, registered: None, tmp_path: Path
) -> None:
    basic = f"Basic {base64.b64encode(b'key:se:cret').decode()}"

    async def guard(request: web.Request) -> web.Response | None:
        allowed = request.headers.get("Authorization") in (basic, "Bearer t-1")
        return None if allowed else web.json_response({"error_code": 401, "message": "Unauthorized"}, status=401)

    certificate = self_signed(tmp_path / "registry")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with forwarding(server, answer=guard, tls=tls) as url:
        for who in ({"username": "key", "password": "se:cret"}, {"token": "t-1"}):
            settings = RegistrySettings.model_validate({"url": url, "ssl_ca_file": certificate, **who})
            async with RegistryClient(settings) as registry:
                assert await registry.has(subject_of(LISTENS))
        settings = RegistrySettings.model_validate(
            {"url": url, "ssl_ca_file": certificate, "username": "key", "password": "wrong"}
        )
        async with RegistryClient(settings) as registry:
            with pytest.raises(Incompatible, match=r"refuses 'key' \(401\).*MUSICREC_REGISTRY__USERNAME") as refused:
                await registry.has(subject_of(LISTENS))
        assert "wrong" not in str(refused.value)
        async with RegistryClient(RegistrySettings(url=url, username=None)) as registry:
            with pytest.raises(Unavailable, match="certificate verify failed"):
                await registry.has(subject_of(LISTENS))


async def test_what_is_no_registry_or_away_is_told_apart(server: RegistryServer) -> None:
    async def nonsense(request: web.Request) -> web.Response:
        bodies = {
            "html": web.Response(text="<html>\x1b[2J hello", content_type="text/html"),
            "list": web.json_response([1]),
            "id": web.json_response({"id": "seven"}),
            "huge": web.Response(body=b'"' + b"x" * (5 * 1024 * 1024) + b'"', content_type="application/json"),
            "elsewhere": web.Response(status=302, headers={"Location": server.url}),
            "broken": web.json_response({"error_code": 50001, "message": "no leader"}, status=500),
        }
        return bodies[request.path.split("/")[1]]

    async with forwarding(server, answer=nonsense) as url:
        base = url.removesuffix("/apis/ccompat/v7")
        for kind in ("html", "list", "id", "huge", "elsewhere"):
            async with RegistryClient(RegistrySettings(url=f"{base}/{kind}")) as registry:
                with pytest.raises(
                    Incompatible, match=r"answers as no schema registry does.*/apis/ccompat/v7"
                ) as error:
                    await registry.registered("a", "{}")
                assert str(error.value).isprintable()
        async with RegistryClient(RegistrySettings(url=f"{base}/broken")) as registry:
            with pytest.raises(Unavailable, match=r"out of order \(500\).*no leader"):
                await registry.has("a")
    # The registry itself, below a path that it has not.
    async with RegistryClient(RegistrySettings(url=server.url.removesuffix("/v7"))) as registry:
        with pytest.raises(Incompatible, match="answers as no schema registry does"):
            await registry.has("a")
    async with RegistryClient(RegistrySettings(url=f"http://{LOOPBACK}:{free_port()}")) as registry:
        with pytest.raises(Unavailable, match=r"the schema registry at http://.* does not answer"):
            await registry.has("a")


async def test_ids_are_kept_for_a_start_while_the_registry_is_away(
    server: RegistryServer, registered: None, tmp_path: Path
) -> None:
    topics = (RECOMMENDATIONS, OUTCOMES)
    async with forwarding(server) as url:
        settings = RegistrySettings(url=url, schema_id="prefix")
        found = await schema_marks(settings, topics, kept_in=tmp_path)
        await schema_marks(settings, [SESSIONS], kept_in=tmp_path)
    again = await schema_marks(settings, topics, kept_in=tmp_path)
    for topic in topics:
        assert again.value(topic.name, b"{}") == found.value(topic.name, b"{}") != b"{}"
    with pytest.raises(Unavailable, match="does not answer"):
        await schema_marks(settings, [LISTENS], kept_in=tmp_path)
    (tmp_path / FILE).write_text('{"a": ')
    with pytest.raises(Unavailable, match="does not answer"):
        await schema_marks(settings, topics, kept_in=tmp_path)


async def test_a_registry_without_the_schema_of_this_release_is_told_of_with_the_way_out(
    server: RegistryServer,
) -> None:
    async with forwarding(server, subject=subject_of(OUTCOMES), instead="nothing-here") as url:
        with pytest.raises(Incompatible, match=r"musicrec\.outcomes\.v1-value: `musicrec contracts register`"):
            await schema_marks(RegistrySettings(url=url, schema_id="header"), [OUTCOMES])


@pytest.mark.parametrize("place", ["header", "prefix"])
async def test_what_the_client_publishes_is_read_by_confluents_deserializer(
    server: RegistryServer, registered: None, stack: StackAddresses, place: str
) -> None:
    settings = RegistrySettings.model_validate({"url": server.url, "schema_id": place})
    event = play(f"ann {place}", "so-what", ms_played=200_000)
    track = f"track {place}"
    async with (
        reading(stack, LISTENS.name, TRACKS.name, only=about(event.user_id, track)) as tail,
        AsyncClient(stack.kafka, registry=settings) as musicrec,
    ):
        await musicrec.publish(event)
        await musicrec.publish(Track(track_id=track, title="So What"))
        await musicrec.remove_track(track)
        await tail.until(lambda t: len(t.records) >= 3)
    theirs = JSONDeserializer(None, schema_registry_client=SchemaRegistryClient({"url": server.url}))
    for record in tail.records:
        context = SerializationContext(record.topic, MessageField.VALUE, list(record.headers))
        read = await asyncio.to_thread(theirs, record.value, context)
        if record.value is None:
            assert (read, record.key) == (None, track.encode())
            assert VALUE_SCHEMA_ID not in dict(record.headers)
        elif record.topic == LISTENS.name:
            assert read == json.loads(event.encode())
            assert ListenEvent.decode(record.value) == event
        assert record.value is None or (record.value[:1] == b"{") == (place == "header")


async def test_what_the_gateway_publishes_has_the_id_too(
    server: RegistryServer, registered: None, stack: StackAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICREC_REGISTRY__URL", server.url)
    monkeypatch.setenv("MUSICREC_REGISTRY__SCHEMA_ID", "prefix")
    gateway = GatewayProcess(stack, tmp_path)
    try:
        await gateway.listens()
        event = {"event_id": "by gateway", "type": "play", "track_id": "so-what", "ms_played": 200_000}
        async with (
            reading(stack, LISTENS.name, only=about("ann of the gateway")) as tail,
            ClientSession(gateway.url, headers=gateway.token("ann of the gateway")) as http,
        ):
            await until_readyz(http)
            answer = await http.post("/v1/events", json=event)
            assert answer.status == 200, await answer.text()
            await tail.until(lambda t: len(t.records) == 1)
    finally:
        await gateway.process.stop()
    (record,) = tail.records
    assert (record.value[:1], ListenEvent.decode(record.value).event_id) == (b"\0", "by gateway")


@pytest.mark.parametrize("answers", [False, True])
async def test_a_client_whose_registry_is_away_or_silent_publishes_nothing_and_says_so(
    server: RegistryServer, stack: StackAddresses, answers: bool
) -> None:
    async def silence(request: web.Request) -> web.Response | None:
        await asyncio.sleep(5)
        return None

    async with forwarding(server, answer=silence) as url:
        away = RegistrySettings(url=url if answers else f"http://{LOOPBACK}:{free_port()}", schema_id="header")
        async with AsyncClient(stack.kafka, registry=away, publish_deadline_s=1.0) as musicrec:
            event = play("ann away", "so-what", ms_played=200_000)
            async with reading(stack, LISTENS.name, only=about(event.user_id)) as tail:
                for failed in await asyncio.gather(
                    *(musicrec.publish(event) for _ in range(3)), return_exceptions=True
                ):
                    assert isinstance(failed, Unavailable)
                    assert "the schema registry at" in str(failed)
                assert tail.records == []


async def test_the_program_of_the_page_publishes_a_play_and_reads_the_list_that_answers_it(
    server: RegistryServer, registered: None, stack: StackAddresses, worker: Worker
) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    variables = {**os.environ, **stack.environment(), "MUSICREC_REGISTRY__URL": server.url}
    marked = {"MUSICREC_REGISTRY__URL": server.url}
    # One of each, so that the ranking agent reads what has bytes before it, and the program what has a header.
    async with (
        worker("session", MUSICREC_REGISTRY__SCHEMA_ID="prefix", **marked),
        worker("ranking", MUSICREC_REGISTRY__SCHEMA_ID="header", **marked),
        reading(stack, SESSIONS.name, LISTS) as tail,
    ):
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", program], env=variables, capture_output=True, text=True,
            timeout=PROGRAM_DEADLINE_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = re.fullmatch(r"\d+ tracks for (ada .+)\n", done.stdout)
        assert found, done.stdout
        of_ada = about(found[1])
        await tail.until(lambda t: {each.topic for each in t.records if of_ada(each)} == {SESSIONS.name, LISTS})
    theirs = JSONDeserializer(None, schema_registry_client=SchemaRegistryClient({"url": server.url}))
    for record in filter(of_ada, tail.records):
        context = SerializationContext(record.topic, MessageField.VALUE, list(record.headers))
        read = await asyncio.to_thread(theirs, record.value, context)
        if record.topic == SESSIONS.name:
            assert record.value[:1] == b"\0"
            assert read == json.loads(without_frame(record.value))
            assert SessionSnapshot.decode(record.value).user_id == found[1]
        else:
            assert read == json.loads(record.value)
            assert Recommendation.decode(record.value).user_id == found[1]


async def test_a_worker_refuses_to_start_where_the_registry_lacks_its_schema(
    server: RegistryServer, stack: StackAddresses, worker: Worker, tmp_path: Path
) -> None:
    async with forwarding(server, subject=subject_of(OUTCOMES), instead="nothing-here") as url:
        with pytest.raises(Unavailable, match=r"lacks this release's schema of musicrec\.outcomes\.v1-value"):
            async with worker("outcome", MUSICREC_REGISTRY__URL=url, MUSICREC_REGISTRY__SCHEMA_ID="header"):
                pass
