"""Every row of the HTTP API, on the embedded proxy and on a real Toxiproxy."""

from __future__ import annotations

import socket
from typing import Any

import pytest

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


def make(server: Any, name: str = "p", **more: object) -> Any:
    reply = server.call(
        "POST", "/proxies", {"name": name, "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0", **more}
    )
    assert reply.status == 201, reply
    return reply.json


def without_logger(server: Any, proxy: dict[str, Any]) -> dict[str, Any]:
    """The real server leaks an empty `Logger` into every proxy that it shows."""
    assert ("Logger" in proxy) is server.either(embedded=False, real=True)
    return {key: value for key, value in proxy.items() if key != "Logger"}


def refused(server: Any, reply: Any, status: int, says: str) -> None:
    assert (reply.status, reply.content_type) == (status, TEXT)
    assert reply.text == f'{{"error":"{says}","status":{status}}}\n'


# Proxies.


def test_index_maps_sorted_names_to_proxies(server: Any) -> None:
    empty = server.call("GET", "/proxies")
    assert (empty.status, empty.content_type, empty.text) == (200, JSON, "{}")
    for name in ("b", "a", "c"):
        make(server, name)
    assert list(server.call("GET", "/proxies").json) == ["a", "b", "c"]


def test_create_answers_201_with_the_shape_and_ignores_toxics(server: Any) -> None:
    made = without_logger(server, make(server, toxics=[{"type": "latency"}]))
    assert list(made) == ["name", "listen", "upstream", "enabled", "toxics"]
    assert made["name"] == "p"
    assert made["upstream"] == "127.0.0.1:1"
    assert made["enabled"] is True
    assert made["toxics"] == []
    assert server.call("GET", "/proxies/p").json == server.call("GET", "/proxies").json["p"]


def test_create_disabled_does_not_listen(server: Any) -> None:
    made = make(server, enabled=False, listen="localhost:0")
    assert made["enabled"] is False
    assert made["listen"] == "localhost:0"


def test_create_without_listen_takes_any_address(server: Any) -> None:
    reply = server.call("POST", "/proxies", {"name": "p", "upstream": "127.0.0.1:1"})
    assert reply.status == 201
    host, _, port = reply.json["listen"].rpartition(":")
    assert host in {"[::]", "0.0.0.0"}
    assert int(port) > 0


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_update_merges_and_ignores_the_name(server: Any, method: str) -> None:
    made = make(server)
    reply = server.call(method, "/proxies/p", {"name": "q", "upstream": "127.0.0.1:2"})
    assert reply.status == 200
    assert reply.json == {**made, "upstream": "127.0.0.1:2", "listen": reply.json["listen"], "enabled": True}
    assert server.call(method, "/proxies/p", {"enabled": False}).json["enabled"] is False
    assert server.call("GET", "/proxies/q").status == 404


def test_delete_answers_204_once(server: Any) -> None:
    make(server)
    reply = server.call("DELETE", "/proxies/p")
    assert (reply.status, reply.text) == (204, "")
    refused(server, server.call("DELETE", "/proxies/p"), 404, "proxy not found")


def test_proxy_errors(server: Any) -> None:
    make(server)
    refused(server, server.call("GET", "/proxies/x"), 404, "proxy not found")
    refused(server, server.call("POST", "/proxies/x", {}), 404, "proxy not found")
    refused(server, server.call("POST", "/proxies", {"upstream": "u:1"}), 400, "missing required field: name")
    refused(server, server.call("POST", "/proxies", {"name": "x"}), 400, "missing required field: upstream")
    refused(
        server, server.call("POST", "/proxies", {"name": "p", "upstream": "u:1"}), 409, "proxy already exists"
    )


def test_a_taken_address_is_500_with_the_text_that_clients_assert(server: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        listen = f"127.0.0.1:{holder.getsockname()[1]}"
        body = {"name": "x", "upstream": "u:1", "listen": listen}
        says = f"listen tcp {listen}: bind: address already in use"
        refused(server, server.call("POST", "/proxies", body), 500, says)
    assert server.call("GET", "/proxies/x").status == 404


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("foo", "address foo: missing port in address"),
        ("127.0.0.1:99999", "address 99999: invalid port"),
        ("127.0.0.1:-1", "address -1: invalid port"),
        ("127.0.0.1:nosuch", "lookup tcp/nosuch: unknown port"),
        ("127.0.0.1:1:2", "address 127.0.0.1:1:2: too many colons in address"),
    ],
)
def test_address_errors_are_500(server: Any, listen: str, says: str) -> None:
    create = server.call("POST", "/proxies", {"name": "x", "upstream": "u:1", "listen": listen})
    refused(server, create, 500, f"listen tcp: {says}")
    make(server)
    refused(server, server.call("PATCH", "/proxies/p", {"listen": listen}), 500, says)


def test_an_address_of_another_machine_is_500(server: Any) -> None:
    reply = server.call("POST", "/proxies", {"name": "x", "upstream": "u:1", "listen": "192.0.2.1:1"})
    refused(server, reply, 500, "listen tcp 192.0.2.1:1: bind: cannot assign requested address")


# Toxics.


def test_toxic_create_answers_200_with_the_shape(server: Any) -> None:
    make(server)
    reply = server.call(
        "POST", "/proxies/p/toxics", {"type": "latency", "attributes": {"latency": 5, "zz": 1}}
    )
    assert (reply.status, reply.content_type) == (200, JSON)
    assert reply.text == (
        '{"attributes":{"latency":5,"jitter":0},"name":"latency_downstream",'
        '"type":"latency","stream":"downstream","toxicity":1}'
    )
    assert server.call("GET", "/proxies/p/toxics/latency_downstream").text == reply.text


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", '{"latency":0,"jitter":0}'),
        ("bandwidth", '{"rate":0}'),
        ("slow_close", '{"delay":0}'),
        ("timeout", '{"timeout":0}'),
        ("reset_peer", '{"timeout":0}'),
        ("limit_data", '{"bytes":0}'),
        ("noop", "{}"),
    ],
)
def test_attributes_default_to_zero(server: Any, kind: str, attributes: str) -> None:
    make(server)
    reply = server.call("POST", "/proxies/p/toxics", {"type": kind})
    assert reply.status == 200
    assert reply.text.startswith(f'{{"attributes":{attributes},"name":"{kind}_downstream"')


def test_slicer_attributes(server: Any) -> None:
    make(server)
    reply = server.call("POST", "/proxies/p/toxics", {"type": "slicer", "attributes": {"average_size": 9}})
    assert reply.text.startswith('{"attributes":{"average_size":9,"size_variation":0,"delay":0}')


def test_toxics_are_listed_upstream_first_in_insertion_order(server: Any) -> None:
    make(server)
    for name, stream in (("d1", "downstream"), ("u1", "upstream"), ("d2", "downstream"), ("u2", "upstream")):
        server.call("POST", "/proxies/p/toxics", {"name": name, "type": "noop", "stream": stream})
    names = [toxic["name"] for toxic in server.call("GET", "/proxies/p/toxics").json]
    assert names == ["u1", "u2", "d1", "d2"]
    assert [toxic["name"] for toxic in server.call("GET", "/proxies/p").json["toxics"]] == names


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_toxic_update_merges_and_ignores_name_type_stream(server: Any, method: str) -> None:
    make(server)
    server.call("POST", "/proxies/p/toxics", {"type": "latency", "attributes": {"latency": 5, "jitter": 2}})
    change = {"name": "x", "type": "noop", "stream": "upstream", "toxicity": 0.5, "attributes": {"jitter": 3}}
    reply = server.call(method, "/proxies/p/toxics/latency_downstream", change)
    assert reply.status == 200
    assert reply.json == {
        "attributes": {"latency": 5, "jitter": 3},
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 0.5,
    }


def test_toxic_delete(server: Any) -> None:
    make(server)
    server.call("POST", "/proxies/p/toxics", {"type": "noop", "name": "t"})
    reply = server.call("DELETE", "/proxies/p/toxics/t")
    assert (reply.status, reply.text) == (204, "")
    for method in ("GET", "POST", "PATCH", "DELETE"):
        refused(server, server.call(method, "/proxies/p/toxics/t", {}), 404, "toxic not found")
        refused(server, server.call(method, "/proxies/x/toxics/t", {}), 404, "proxy not found")


def test_toxic_names_are_unique_across_streams(server: Any) -> None:
    make(server)
    server.call("POST", "/proxies/p/toxics", {"type": "noop", "name": "t", "stream": "upstream"})
    refused(
        server,
        server.call("POST", "/proxies/p/toxics", {"type": "latency", "name": "t"}),
        409,
        "toxic already exists",
    )
    assert server.call("POST", "/proxies/p/toxics", {"type": "noop"}).json["name"] == "noop_downstream"
    assert (
        server.call("POST", "/proxies/p/toxics", {"type": "noop", "stream": "upstream"}).json["name"]
        == "noop_upstream"
    )


def test_stream_is_read_without_case_and_kept_as_written(server: Any) -> None:
    make(server)
    made = server.call("POST", "/proxies/p/toxics", {"type": "noop", "stream": "UPSTREAM"}).json
    assert (made["name"], made["stream"]) == ("noop_UPSTREAM", "UPSTREAM")


@pytest.mark.parametrize("toxicity", ["3.5e38", "1e300", "1e400", "-1e400"])
def test_a_toxicity_that_is_no_single_is_refused(server: Any, toxicity: str) -> None:
    make(server)
    body = f'{{"type":"latency","toxicity":{toxicity}}}'
    reply = server.call("POST", "/proxies/p/toxics", body)
    assert (reply.status, f"cannot unmarshal number {toxicity}" in reply.text) == (400, True)
    assert server.call("GET", "/proxies/p/toxics").json == []


def test_checks_come_in_order(server: Any) -> None:
    make(server)
    server.call("POST", "/proxies/p/toxics", {"type": "latency"})
    # Each body fails the check in question and all those after it.
    body: dict[str, object] = {"toxicity": "x", "stream": "", "type": "down", "name": "latency_downstream"}
    body["attributes"] = {"latency": "x"}
    url = "/proxies/p/toxics"
    assert server.call("POST", url, body).text.startswith('{"error":"bad request body: ')
    del body["toxicity"]
    refused(
        server,
        server.call("POST", url, body),
        400,
        "stream was invalid, can be either upstream or downstream",
    )
    body["stream"] = "downstream"
    refused(server, server.call("POST", url, body), 400, "invalid toxic type")
    body["type"] = "latency"
    refused(server, server.call("POST", url, body), 409, "toxic already exists")
    body["name"] = "other"
    reply = server.call("POST", url, body)
    assert reply.status == 400
    assert reply.json["error"].startswith("bad request body: ")
    refused(server, server.call("POST", "/proxies/x/toxics", "{"), 404, "proxy not found")


def test_a_failed_toxic_update_changes_nothing_here(server: Any) -> None:
    make(server)
    server.call("POST", "/proxies/p/toxics", {"type": "latency", "attributes": {"latency": 1}})
    reply = server.call(
        "PATCH", "/proxies/p/toxics/latency_downstream", '{"attributes":{"latency":9,"jitter":"x"}}'
    )
    assert reply.status == 400
    after = server.call("GET", "/proxies/p/toxics/latency_downstream").json["attributes"]["latency"]
    # The real server has half of it in place by the time it says no.
    assert after == server.either(embedded=1, real=9)


# Populate, reset, version, metrics.


def test_populate(server: Any) -> None:
    reply = server.call(
        "POST",
        "/populate",
        [
            {"name": "b", "upstream": "u:1", "listen": "127.0.0.1:0"},
            {"name": "a", "upstream": "u:1", "listen": "127.0.0.1:0", "enabled": False},
        ],
    )
    assert (reply.status, reply.content_type) == (201, JSON)
    assert [(proxy["name"], proxy["enabled"]) for proxy in reply.json["proxies"]] == [
        ("b", True),
        ("a", False),
    ]


@pytest.mark.parametrize("body", ["[]", "null"])
def test_populate_with_nothing(server: Any, body: str) -> None:
    reply = server.call("POST", "/populate", body)
    assert (reply.status, reply.text) == (201, '{"proxies":null}')


@pytest.mark.parametrize("field", ["name", "upstream"])
def test_populate_checks_fields_before_it_creates(server: Any, field: str) -> None:
    second = {"name": "b", "upstream": "u:1"}
    del second[field]
    reply = server.call("POST", "/populate", [{"name": "a", "upstream": "u:1"}, second])
    assert (reply.status, reply.content_type) == (400, JSON)
    assert (
        reply.text == f'{{"error":"missing required field: {field} at proxy 2","status":400,"proxies":null}}'
    )
    assert server.call("GET", "/proxies").json == {}


def test_populate_stops_at_the_first_failure(server: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        body = [
            {"name": name, "upstream": "u:1", "listen": listen}
            for name, listen in (("a", "127.0.0.1:0"), ("b", taken), ("c", "127.0.0.1:0"))
        ]
        reply = server.call("POST", "/populate", body)
    assert (reply.status, reply.content_type) == (500, JSON)
    assert reply.json["error"] == f"listen tcp {taken}: bind: address already in use"
    assert [proxy["name"] for proxy in reply.json["proxies"]] == ["a"]
    assert list(server.call("GET", "/proxies").json) == ["a"]


def test_populate_with_what_is_no_list(server: Any) -> None:
    reply = server.call("POST", "/populate", {})
    assert (reply.status, reply.content_type) == (400, JSON)
    assert reply.json["error"].startswith("bad request body: ")
    assert reply.json["proxies"] is None


def test_reset_enables_all_and_removes_all_toxics(server: Any) -> None:
    make(server, enabled=False)
    for stream in ("upstream", "downstream"):
        server.call("POST", "/proxies/p/toxics", {"type": "noop", "stream": stream})
    reply = server.call("POST", "/reset")
    assert (reply.status, reply.text) == (204, "")
    after = server.call("GET", "/proxies/p").json
    assert (after["enabled"], after["toxics"]) == (True, [])


def test_version(server: Any) -> None:
    reply = server.call("GET", "/version")
    assert (reply.status, reply.content_type) == (200, "application/json;charset=utf-8")
    # A real server that Go built from the module, without the release's flags, calls itself "git".
    assert reply.text in server.either(
        embedded=['{"version": "2.12.0"}\n'], real=['{"version": "2.12.0"}\n', '{"version": "git"}\n']
    )


def test_metrics_are_not_there_without_a_flag(server: Any) -> None:
    assert server.call("GET", "/metrics").status == 404


# Routes, methods, browsers.


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nope",
        "/proxies/",
        "/proxies/p/",
        "/proxies/a/b",
        "/proxies/a%2Fb",
        "/proxies/p/toxics/a/b",
        "/version/",
    ],
)
def test_unknown_routes_are_plain_404(server: Any, path: str) -> None:
    reply = server.call("GET", path)
    assert (reply.status, reply.content_type, reply.text) == (404, TEXT, "404 page not found\n")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/proxies"),
        ("HEAD", "/version"),
        ("PUT", "/proxies"),
        ("DELETE", "/proxies"),
        ("PUT", "/proxies/p"),
        ("DELETE", "/proxies/p/toxics"),
        ("PUT", "/proxies/p/toxics/t"),
        ("GET", "/reset"),
        ("GET", "/populate"),
        ("POST", "/version"),
    ],
)
def test_wrong_methods_are_empty_405(server: Any, method: str, path: str) -> None:
    reply = server.call(method, path)
    assert (reply.status, reply.text) == (405, "")


def test_browsers_are_sent_away_from_routes_that_exist(server: Any) -> None:
    reply = server.call("GET", "/proxies", User_Agent="Mozilla/5.0")
    assert (reply.status, reply.content_type, reply.text) == (403, TEXT, "User agent not allowed\n")
    assert server.call("GET", "/nope", User_Agent="Mozilla/5.0").status == 404
    assert server.call("PUT", "/proxies", User_Agent="Mozilla/5.0").status == 405
    assert server.call("GET", "/proxies", User_Agent="curl Mozilla/5.0").status == 200


def test_what_the_embedded_proxy_leaves_out(server: Any) -> None:
    assert server.call("GET", "//proxies").status == server.either(embedded=404, real=301)
    has_id = "X-Toxiproxy-Request-Id" in server.call("GET", "/proxies").headers
    assert has_id is server.either(embedded=False, real=True)


def exchange(server: Any, sent: bytes, *, shut: bool = False) -> bytes:
    """Everything that comes back from a client that sends this, and then may shut its write side."""
    host, _, port = server.api.rpartition(":")
    got = bytearray()
    with socket.create_connection((host, int(port)), 15) as client:
        client.sendall(sent)
        if shut:
            client.shutdown(socket.SHUT_WR)
        while data := client.recv(65_536):
            got += data
    return bytes(got)


def test_requests_can_be_pipelined(server: Any) -> None:
    post = b"POST /reset HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    get = b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    got = exchange(server, post * 2 + get)
    assert [got.count(line) for line in (b"HTTP/1.1 204", b"HTTP/1.1 404")] == [2, 1]


def test_a_client_that_asks_and_shuts_its_write_side_is_answered(server: Any) -> None:
    status = exchange(server, b"GET /proxies HTTP/1.1\r\nHost: x\r\n\r\n", shut=True).split(b" ")[1]
    # The real server may take the end for a client that has gone away.
    assert status in server.either(embedded=[b"200"], real=[b"200", b"503"])


def test_what_is_not_http_gets_400(server: Any) -> None:
    assert exchange(server, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_client_that_expects_100_gets_it(server: Any) -> None:
    head = b"POST /populate HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
    got = exchange(server, head + b"Connection: close\r\n\r\n[]")
    assert got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n")


def test_names_are_unescaped(server: Any) -> None:
    make(server, "a b&é")
    assert server.call("GET", "/proxies/a%20b%26%C3%A9").json["name"] == "a b&é"
    assert "a b\\u0026é" in server.call("GET", "/proxies").text


# Go's JSON.


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "EOF"),
        ("  \n", "EOF"),
        ("{", "unexpected EOF"),
        ('{"name":"p"', "unexpected EOF"),
        ('{"name":"p', "unexpected EOF"),
        ("xx", "invalid character 'x'"),
        ('{"name":"p",}', "invalid character '}'"),
        ("NaN", "invalid character 'N'"),
        ("[]", "json: cannot unmarshal array into Go value of type toxiproxy.Proxy"),
        ('"p"', "json: cannot unmarshal string into Go value of type toxiproxy.Proxy"),
        ('{"name":1}', "json: cannot unmarshal number"),
        (
            '{"name":"p","upstream":"u","enabled":"true"}',
            "json: cannot unmarshal string into Go struct field Proxy.enabled of type bool",
        ),
    ],
)
def test_bodies_that_are_refused(server: Any, body: str, why: str) -> None:
    reply = server.call("POST", "/proxies", body)
    assert (reply.status, reply.content_type) == (400, TEXT)
    assert reply.json["error"].startswith(f"bad request body: {why}")


@pytest.mark.parametrize(
    "body",
    [
        '{"NAME":"p","Upstream":"u:1","LISTEN":"127.0.0.1:0"}',
        '{"name":"p","upstream":"u:1","listen":"127.0.0.1:0","unknown":[{}]}',
        '{"name":"p","upstream":"u:1","listen":"127.0.0.1:0","enabled":null}',
        '{"name":"x","name":"p","upstream":"u:1","listen":"127.0.0.1:0"} and more',
    ],
)
def test_bodies_that_are_taken(server: Any, body: str) -> None:
    reply = server.call("POST", "/proxies", body)
    assert (reply.status, reply.json["name"], reply.json["enabled"]) == (201, "p", True)


def test_null_is_an_empty_object(server: Any) -> None:
    refused(server, server.call("POST", "/proxies", "null"), 400, "missing required field: name")


@pytest.mark.parametrize("number", ['"100"', "100.5", "1e2", "100.0", "9223372036854775808", "true", "[]"])
def test_integers_that_are_refused(server: Any, number: str) -> None:
    make(server)
    reply = server.call(
        "POST", "/proxies/p/toxics", f'{{"type":"latency","attributes":{{"latency":{number}}}}}'
    )
    assert reply.status == 400
    assert reply.json["error"].startswith("bad request body: json: cannot unmarshal")
    assert reply.json["error"].endswith("into Go struct field LatencyToxic.attributes.latency of type int64")


def test_attributes_case_null_and_toxicity(server: Any) -> None:
    make(server)
    add = "/proxies/p/toxics"
    assert server.call(
        "POST", add, '{"type":"latency","attributes":{"LATENCY":7,"jitter":null},"toxicity":0.1}'
    ).text == (
        '{"attributes":{"latency":7,"jitter":0},"name":"latency_downstream","type":"latency",'
        '"stream":"downstream","toxicity":0.1}'
    )
    assert (
        server.call("POST", add, '{"type":"noop","attributes":null,"toxicity":null,"stream":null}').json[
            "toxicity"
        ]
        == 1
    )
    assert server.call("POST", add, '{"type":"noop","name":"a","attributes":"x"}').status == 400
    assert server.call("POST", add, '{"type":"noop","name":"b","toxicity":"1"}').status == 400
    assert server.call("POST", add, '{"type":"noop","name":"c","toxicity":1e60}').status == 400
