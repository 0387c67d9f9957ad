# SPDX-License-Identifier: Apache-2.0
"""Keys with a {generation} in them: what is cleared is not deleted, but no longer asked for."""

import json

from harness.tables import Column, Table


def read(get, name):
    """What a reader finds: of the rows with these ids, those that are there under the generation
    that the cache tells."""
    generation = get("fastlane:generation:" + name)
    if generation is None:
        return None
    found = {}
    for number in range(1, 40):
        value = get("u:%s:%d" % (generation.decode(), number))
        if value is not None:
            found[number] = json.loads(value)
    return found


def test_clearing_by_generation_flushes_nothing_and_shows_nothing_old(source, rig, db):
    table = Table(db, "num", [Column("id", "int", "int", nullable=False), Column("n", "int", "int")])
    r = rig(source, [], maps={"gen": {"table": db + ".num", "key": "u:{generation}:{id}"}})
    source.run(*table.statements())
    getters = (r.redis.get, r.memcached.get)

    def insert(first, last, add):
        source.run("INSERT INTO num VALUES %s" % ", ".join(
            "(%d, %d)" % (n, n + add) for n in range(first, last + 1)), database=db)

    def check():
        r.settle()
        truth = {int(row[0]): int(row[1]) for row in source.run("SELECT id, n FROM num", database=db)}
        for get in getters:
            found = read(get, "gen")
            assert {key: value["n"] for key, value in found.items()} == truth

    r.daemon.start()
    insert(1, 20, 0)
    check()
    r.redis.set("somebody's", "own")
    r.memcached.set("somebodys", b"own")
    generations = [r.redis.get("fastlane:generation:gen")]
    for number, statement in enumerate((
            "TRUNCATE TABLE num", "ALTER TABLE num MODIFY n bigint DEFAULT 5",
            "RENAME TABLE num TO old", "TRUNCATE TABLE num"), 1):
        source.run(statement, database=db)
        if "RENAME" in statement:
            source.run(*table.statements())
        if number % 2:
            r.daemon.kill()
            r.daemon.start()
        source.run("DELETE FROM num", database=db)
        r.settle()
        insert(number, number + 10, 100 * number)
        check()
        generations.append(r.redis.get("fastlane:generation:gen"))
    assert sorted(set(generations), key=int) == generations, "a generation came again"
    assert r.redis.get("somebody's") == b"own"
    assert r.memcached.get("somebodys") == b"own", "memcached was flushed"
    # A position without them: no generation comes again.
    r.daemon.stop()
    r.redis.delete("fastlane:position:hot")
    r.daemon.remove_position("hot")
    r.daemon.start()
    r.settle()
    assert int(r.redis.get("fastlane:generation:gen")) > int(generations[-1])
    r.daemon.stop()


def test_a_memcached_that_was_flushed_is_told_the_generation_again(mariadb, rig, db):
    table = Table(db, "num", [Column("id", "int", "int", nullable=False), Column("n", "int", "int")])
    r = rig(mariadb, [], maps={"gen": {"table": db + ".num", "key": "u:{generation}:{id}"}})
    mariadb.run(*table.statements())
    r.daemon.start()
    r.settle()
    before = r.memcached.get("fastlane:generation:gen")
    r.memcached.send("flush_all")
    assert r.memcached.line() == b"OK"
    r.daemon.wait_for(
        lambda: r.mark() or r.memcached.get("fastlane:generation:gen") is not None,
        "the generation in memcached")
    assert r.memcached.get("fastlane:generation:gen") == before
    r.daemon.stop()
