# SPDX-License-Identifier: Apache-2.0
"""The oracle (tests/oracle) on a few of its random scripts; and that it can fail."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from oracle import features, generator, plant, script  # noqa: E402
from oracle.source import SERVERS, partial  # noqa: E402
from oracle.statement import effects  # noqa: E402
from oracle.trial import Trial  # noqa: E402

SEEDS = (1001, 1002, 1003)

# One change of each kind, in transactions of several lines.
PLAIN = """
CREATE DATABASE plain; USE plain;
CREATE TABLE keyed (id int PRIMARY KEY, v varchar(20), f float);
CREATE TABLE keyless (a int, v varchar(20));
-- barrier
BEGIN;
INSERT INTO keyed VALUES (1, 'one', 0.1), (2, 'two', NULL), (3, NULL, 1e-45);
INSERT INTO keyless VALUES (1, 'same'), (1, 'same'), (2, NULL);
COMMIT;
BEGIN;
UPDATE keyed SET v = 'changed' WHERE id = 1;
DELETE FROM keyless WHERE a = 1 LIMIT 1;
COMMIT;
"""


def same_seeds_on(source, name, folder):
    trials = []
    chosen = features.choose(name)
    for seed in SEEDS:
        text = generator.script(seed, name, chosen, size=150)
        trial = Trial("%s/%d" % (folder, seed), source, partial(source, text))
        trials.append(trial.run(script.parse(text)))
        assert not trial.failed, "seed %d on %s: %s\n%s" % (
            seed, name, trial.summary(), "\n".join(trial.report()))
        refused = sum(trial.player.refused.values())
        assert refused < trial.player.statements / 3, trial.player.refused.shown
    return trials


@pytest.mark.source
@pytest.mark.parametrize("name", SERVERS)
def test_random_scripts_fold_to_what_the_server_has(name, start_server, folder, figures):
    trials = same_seeds_on(start_server(SERVERS[name]), name, folder)
    values = sum(trial.count.values + trial.fold.checked for trial in trials)
    assert values > 1000
    figures("%d seeds, %d transactions, %d changes, %d rows, %d values compared, 0 differences" % (
        len(trials), sum(trial.fold.transactions for trial in trials),
        sum(trial.fold.changes for trial in trials), sum(trial.count.rows for trial in trials),
        values))


def test_a_falsified_stream_is_found(mariadb, folder):
    steps = script.parse(PLAIN)
    trial = Trial(folder + "/true", mariadb).run(steps)
    assert not trial.failed, trial.report()
    for kind in ("drop", "alter", "duplicate", "late"):
        for after in (0, 2, 4):
            tamper = plant.Tamper(kind, 1, after)
            trial = Trial("%s/%s%d" % (folder, kind, after), mariadb, tamper=tamper)
            trial.run(steps)
            assert tamper.done
            assert trial.failed, "%s %d: %s" % (kind, after, trial.summary())


def test_a_doubt_is_a_failure_unless_it_is_expected(mariadb, folder):
    statement = "SET SESSION binlog_format = STATEMENT; INSERT INTO plain.keyless VALUES (9, 'doubt');"
    trial = Trial(folder + "/doubt", mariadb).run(script.parse(PLAIN + statement))
    assert trial.failed and len(trial.doubts) == 1 and not trial.fold.problems, trial.report()
    expected = "-- expect doubt statement in place of rows\n"
    trial = Trial(folder + "/expected", mariadb).run(script.parse(expected + PLAIN + statement))
    assert not trial.failed and len(trial.fold.doubts) == 1, trial.report()


@pytest.mark.parametrize("text, expected", [
    ("a; b", ["a", "b"]),
    ("SELECT ';' -- not; here\n, \"x;y\", `;` /* ; */; b;", [
        "SELECT ';' -- not; here\n, \"x;y\", `;` /* ; */", "b"]),
    ("-- a comment; alone\n# and another\n/* third */ a;", ["a"]),
    ("/*!50000 a */;", ["/*!50000 a */"]),
    ("DELIMITER $$\na; b$$\nDELIMITER ;\nc;", ["a; b", "c"]),
    ("SELECT 'it''s \\'; x';", ["SELECT 'it''s \\'; x'"]),
    ("SELECT 1--1;", ["SELECT 1--1"]),
])
def test_scripts_are_split_as_the_server_would_have_it(text, expected):
    assert [step.text for step in script.parse(text)] == expected


def test_directives_are_comments_between_statements():
    steps = script.parse("-- session two\na;\n-- barrier\n-- expect doubt no .*\nb /*\n-- barrier\n*/;")
    assert [(step.kind, step.text) for step in steps] == [
        ("session", "two"), ("sql", "a"), ("barrier", ""), ("expect doubt", "no .*"),
        ("sql", "b /*\n-- barrier\n*/")]


@pytest.mark.parametrize("sql, expected", [
    ("DROP TABLE IF EXISTS a, `x``y`.`b c`", ["drop d.a", "drop x`y.b c"]),
    ("DROP TEMPORARY TABLE a", ["nothing ."]),
    ("drop /* it's */ database e", ["drop_db e."]),
    ("RENAME TABLE a TO b, x.c TO d", ["rename d.a to d.b", "rename x.c to d.d"]),
    ("CREATE TABLE IF NOT EXISTS a (b int)", ["make d.a"]),
    ("CREATE OR REPLACE TABLE e.a AS SELECT 1", ["make e.a"]),
    ("CREATE UNIQUE INDEX a ON b (c)", ["nothing ."]),
    ("CREATE DEFINER=`app`@`%` TRIGGER t AFTER INSERT ON b FOR EACH ROW SET @a = 1", ["nothing ."]),
    ("ALTER TABLE a ADD b int COMMENT 'RENAME TO x'", ["alter d.a"]),
    ("ALTER TABLE a MODIFY ID bigint", ["rekey d.a"]),
    ("ALTER TABLE a DROP PRIMARY KEY, ADD INDEX (b)", ["rekey d.a"]),
    ("ALTER TABLE a TRUNCATE PARTITION p0", ["rekey d.a"]),
    ("ALTER TABLE a ADD UNIQUE KEY (b)", ["nothing ."]),
    ("ALTER TABLE a RENAME TO e.b, ADD c int", ["alter d.a", "rename d.a to e.b"]),
    ("ALTER TABLE a RENAME COLUMN b TO c", ["alter d.a"]),
    ("SHUFFLE TABLE a", ["anything ."]),
])
def test_ddl_tells_what_it_does(sql, expected):
    found = effects(sql, "d", lambda db, table: ("id",))
    assert ["%s %s.%s%s" % (e.kind, e.db, e.table, " to %s.%s" % e.to if e.to else "")
            for e in found] == expected
