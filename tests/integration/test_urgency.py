# SPDX-License-Identifier: Apache-2.0
"""What has just been committed goes to a cache though the cache has not answered to what came before: on a
far network the answer takes as long as the change itself."""

import pytest

from harness.proxy import DOWN, Proxy

TRIES = 5  # at a limit of one second, which a busy machine may miss


@pytest.mark.parametrize("cache", ["redis", "memcached"])
def test_a_change_does_not_wait_for_the_answer_to_the_last_one(cache, fastlane, mariadb, db, redis, memcached):
    server = {"redis": redis, "memcached": memcached}[cache]
    proxy, client = Proxy(server.port), server.client()
    place = {"redis": {"address": "127.0.0.1:%d" % proxy.port, "timeout_ms": 30000},
             "memcached": {"servers": "127.0.0.1:%d" % proxy.port, "timeout_ms": 1000}}[cache]
    daemon = fastlane(mariadb, {"far": {"plugin": cache, **place}},
                      {"t": {"table": db + ".t", "key": db + ":{id}"}}, start="current")
    mariadb.run("CREATE DATABASE `%s`" % db, "CREATE TABLE `%s`.t (id int PRIMARY KEY)" % db)

    def comes(number):
        """Whether it comes before the cache is given up for its silence."""
        before = len(daemon.log)
        mariadb.run("INSERT INTO t VALUES (%d)" % number, database=db)
        daemon.wait_for(lambda: there(number) or "in time" in daemon.log[before:], "row %d" % number)
        return there(number)

    def there(number):
        return client.get("%s:%d" % (db, number)) is not None

    try:
        daemon.start()
        daemon.wait_log(r"\blane \d+ reads")
        for number in range(1, 3 * TRIES + 1, 3):
            proxy.release()
            assert comes(number)
            proxy.hold(DOWN)
            if comes(number + 1) and comes(number + 2):
                break
        else:
            pytest.fail("the second of two changes waited for the answer to the first")
    finally:
        proxy.close()
    daemon.stop()
