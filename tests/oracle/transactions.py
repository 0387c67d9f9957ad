# SPDX-License-Identifier: Apache-2.0
"""Transactions of random scripts: savepoints, XA; and what happens outside of them."""

from .world import Branch


def step(g):
    """Begins, goes on with, or ends the transaction of the session at hand."""
    talk, roll = g.talk, g.random.random()
    if talk.xid:
        end(g)
    elif not talk.open:
        if g.has("xa") and roll < 0.3:
            talk.xid = xid(g)
            g.add("XA START " + talk.xid)
        else:
            talk.open = True
            g.add(g.random.choice(("BEGIN", "START TRANSACTION", "START TRANSACTION WITH CONSISTENT "
                                   "SNAPSHOT")))
    elif roll < 0.35:
        name = g.random.choice(("`a`", "b", "`mark 3`", "`to`"))
        talk.savepoints = [other for other in talk.savepoints if other != name] + [name]
        g.add("SAVEPOINT " + name)
    elif roll < 0.55 and talk.savepoints:
        at = g.random.randrange(len(talk.savepoints))
        g.add("ROLLBACK TO SAVEPOINT " + talk.savepoints[at])
        talk.savepoints = talk.savepoints[:at + 1]
    elif roll < 0.6 and talk.savepoints:
        at = g.random.randrange(len(talk.savepoints))
        g.add("RELEASE SAVEPOINT " + talk.savepoints[at])
        talk.savepoints = talk.savepoints[:at]
    else:
        end(g)


def xid(g):
    number = g.number()
    return g.random.choice(("'x%d'", "'a %d','b',7", "x'00ff27%02x','',1", "'it''s','%d'")) % (
        number % 200)


def closed(talk):
    talk.open, talk.savepoints, talk.xid, talk.touched = False, [], None, set()


def end(g):
    """Ends the transaction of the session at hand, if there is one."""
    talk = g.talk
    if talk.open:
        g.add("COMMIT" if g.chance(0.8) else "ROLLBACK")
        closed(talk)
    if not talk.xid:
        return
    g.add("XA END " + talk.xid)
    roll = g.random.random()
    if roll < 0.15:
        g.add("XA COMMIT %s ONE PHASE" % talk.xid)
        closed(talk)
    elif roll < 0.25:
        g.add("XA ROLLBACK " + talk.xid)
        closed(talk)
    else:
        g.add("XA PREPARE " + talk.xid)
        branch = Branch(talk.xid, talk, set(talk.touched))
        closed(talk)
        g.branches.append(branch)
        talk.branch = branch
        # A branch outlives its session; its next one is another connection.
        if not g.old and g.chance(0.3):
            g.directive("disconnect")
            talk.fresh, talk.branch, branch.session = True, None, None
            g.talk = None


def finish_branch(g):
    """Commits or rolls back a prepared XA transaction."""
    branch = g.branches.pop(g.random.randrange(len(g.branches)))
    if branch.session:
        g.turn_to(branch.session)
        branch.session.branch = None
    else:
        # Its own session must be gone before another one can have it.
        ready = [talk for talk in g.ready() if not talk.open and not talk.xid]
        if not ready:
            g.quiet()
            ready = [talk for talk in g.ready() if not talk.open and not talk.xid]
        if not ready:  # all of them wait with a branch of their own
            g.branches.append(branch)
            other = next(one for one in g.branches if one.session)
            g.branches.remove(other)
            branch = other
            g.turn_to(branch.session)
            branch.session.branch = None
        else:
            g.turn_to(g.random.choice(ready))
    g.add("XA %s %s" % ("COMMIT" if g.chance(0.7) else "ROLLBACK", branch.xid))


def aside(g):
    """What happens outside of transactions."""
    options = ["reconnect"]
    options += ["rotate", "checksum"] * g.has("rotation")
    options += ["domain"] * 2 * g.has("domains") + ["tag"] * 3 * g.has("tags")
    options += ["image"] * 3 * g.has("images") + ["compress"] * 2 * g.has("compression")
    {"reconnect": reconnect, "rotate": rotate, "checksum": checksum, "domain": domain, "tag": tag,
     "image": image, "compress": compress}[g.random.choice(options)](g)


def reconnect(g):
    g.directive("disconnect")
    g.talk.fresh = True
    g.talk = None


def rotate(g):
    g.add("FLUSH BINARY LOGS" if not g.old else "FLUSH LOGS")


def checksum(g):
    g.add("SET GLOBAL binlog_checksum = " + g.random.choice(("NONE", "CRC32")))


def domain(g):
    g.add("SET SESSION gtid_domain_id = %d" % g.random.choice((0, 1, 7)))


def tag(g):
    from . import dml
    number = g.base + g.number()
    g.add("SET gtid_next = '%s'" % g.random.choice((
        "AUTOMATIC:oracle", "AUTOMATIC:other_tag", "AUTOMATIC:oracle",
        "11111111-2222-3333-4444-555555555555:%d" % number,
        "11111111-2222-3333-4444-555555555555:oracle:%d" % number)))
    g.add("BEGIN")
    dml.change(g)
    g.add("COMMIT")
    g.add("SET gtid_next = 'AUTOMATIC'")
    closed(g.talk)


def image(g):
    g.add("SET SESSION binlog_row_image = " + g.random.choice(("MINIMAL", "NOBLOB", "FULL")))


def compress(g):
    if g.mariadb:
        g.add("SET GLOBAL log_bin_compress = " + g.random.choice(("ON", "OFF")))
    else:
        g.add("SET SESSION binlog_transaction_compression = " + g.random.choice(("ON", "OFF")))
