"""The life of a Patroni cluster in etcd, with Patroni's own code and without PostgreSQL. Prints one line per step.

Arguments: the address of the gateway, and `proxies` to set Patroni's option use_proxies.
"""

import logging
import sys
import threading
import time

from patroni.dcs import get_dcs

# Patroni resets its own watch in some steps, and logs that as an error.
logging.basicConfig(level=logging.CRITICAL)


def connect(name):
    settings = {"host": sys.argv[1]}
    if "proxies" in sys.argv[2:]:
        settings["use_proxies"] = True
    return get_dcs({
        "etcd3": settings,
        "scope": "demo",
        "namespace": "/service/",
        "name": name,
        "ttl": 30,
        "loop_wait": 10,
        "retry_timeout": 10,
    })


def say(step, result):
    # Responses with headers differ from cluster to cluster.
    shown = bool(result) if isinstance(result, dict) else result
    print(f"{step}: {shown}", flush=True)


def cluster_of(dcs):
    """The watch of Patroni's cache may be behind its own writes of another node."""
    cluster = dcs.get_cluster()
    leader = cluster.leader.name if cluster.leader else None
    members = sorted(member.name for member in cluster.members)
    return leader, members, cluster.initialize


def eventually(dcs, expected):
    deadline = time.time() + 10
    while time.time() < deadline:
        found = cluster_of(dcs)
        if found == expected:
            return found
        time.sleep(0.05)
    return cluster_of(dcs)


first = connect("one")
second = connect("two")

say("empty", cluster_of(first))
say("initialize", first.initialize(create_new=True, sysid="7"))
say("initialize again", second.initialize(create_new=True, sysid="8"))
say("touch one", first.touch_member({"conn_url": "postgres://one", "state": "running"}))
say("touch two", second.touch_member({"conn_url": "postgres://two", "state": "running"}))
say("acquire", first.attempt_to_acquire_leader())
say("acquire by another", second.attempt_to_acquire_leader())
say("seen by two", eventually(second, ("one", ["one", "two"], "7")))
leader = first.get_cluster().leader
say("update leader", first.update_leader(first.get_cluster(), 42, None))
say("config", first.set_config_value('{"ttl": 30}'))
say("history", first.set_history_value("[[1, 2]]"))
say("sync", bool(first.set_sync_state_value('{"leader": "one"}')))
say("failover", second.set_failover_value('{"leader": "one", "member": "two"}'))
say("status", second.get_cluster().status.last_lsn)

# A change wakes up a node that waits for one.
woken = threading.Event()


def wait_for_change():
    second.watch(leader.version, 10)
    woken.set()


thread = threading.Thread(target=wait_for_change)
thread.start()
time.sleep(0.5)
say("delete leader", first.delete_leader(first.get_cluster().leader))
say("woken", woken.wait(8))
thread.join()
say("without leader", eventually(second, (None, ["one", "two"], "7")))
say("acquire after failover", second.attempt_to_acquire_leader())
say("seen by one", eventually(first, ("two", ["one", "two"], "7")))
say("cancel initialization", first.cancel_initialization())
say("delete cluster", first.delete_cluster())
say("empty again", eventually(first, (None, [], None)))
