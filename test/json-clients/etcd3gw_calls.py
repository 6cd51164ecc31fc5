"""All that etcd3gw can do, with its own code. Prints one line per step. Argument: the address of the gateway."""

import sys

from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import Etcd3Exception
from etcd3gw.utils import _encode

host, port = sys.argv[1].split(":")
client = Etcd3Client(host=host, port=int(port), timeout=10)


def say(step, result):
    print(f"{step}: {result!r}", flush=True)


def failure(step, call):
    try:
        say(step, call())
    except Etcd3Exception as error:
        say(step, type(error).__name__)


say("api", client.api_path)
say("status", sorted(client.status())[:1])
say("members", len(client.members()))
say("put", client.put("foo", "bar"))
say("put bytes", client.put(b"\x00\xff", b"\x00\xff<>&"))
say("get", client.get("foo"))
say("get bytes", client.get(b"\x00\xff"))
say("get nothing", client.get("nothing"))
say("metadata", sorted(client.get("foo", metadata=True)[0][1]))
say("create", client.create("created", "1"))
say("create again", client.create("created", "2"))
say("replace", client.replace("created", "1", "3"))
say("replace again", client.replace("created", "1", "4"))
say("prefix", [value for value, _ in client.get_prefix("creat")])
say("sorted", [value for value, _ in client.get_all(sort_order="descend", sort_target="key")])
say("delete", client.delete("created"))
say("delete again", client.delete("created"))
say("delete prefix", client.delete_prefix("fo"))

lease = client.lease(ttl=60)
say("leased", client.put("leased", "1", lease=lease))
say("ttl", lease.ttl() > 50)
say("refresh", lease.refresh())
say("keys", lease.keys())
say("revoke", lease.revoke())
say("gone", client.get("leased"))
failure("revoke again", lease.revoke)

lock = client.lock("mutex", ttl=60)
say("acquire", lock.acquire())
say("acquired", lock.is_acquired())
say("acquire by another", client.lock("mutex", ttl=60).acquire())
say("refresh lock", lock.refresh())
say("release", lock.release())

say("transaction", client.transaction({
    "compare": [{"key": _encode("t"), "result": "EQUAL", "target": "VERSION", "version": 0}],
    "success": [{"request_put": {"key": _encode("t"), "value": _encode("1")}}],
    "failure": [],
})["succeeded"])

events, cancel = client.watch("watched")
for value in ("1", "2"):
    client.put("watched", value)
client.delete("watched")
seen = [next(events) for _ in range(3)]
say("events", [(event.get("type", "PUT"), event["kv"].get("value")) for event in seen])
cancel()
failure("watch once", lambda: client.watch_once("never", timeout=1))
