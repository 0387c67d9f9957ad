// SPDX-License-Identifier: Apache-2.0
//
// usage: node zongji.js PORT FILE ROWS [REDIS_PORT]
//
// A binlog file's rows by zongji, up to so many: as JSON lines on standard output, or as values in
// Redis by node-redis, which sends what is asked for in one turn of the loop together.

import fs from 'node:fs';
import ZongJi from '@vlasky/zongji';
import { createClient } from 'redis';

const [port, file, rows, redisPort] = process.argv.slice(2);
const UNANSWERED = 10000; // commands, before zongji has to wait
const PIECE = 64 * 1024;

// Without a limit on the time of a command, which costs it a timer each.
const redis = redisPort && createClient({
  url: `redis://127.0.0.1:${redisPort}`, commandOptions: { timeout: undefined },
});
let left = Number(rows);
let text = '';
let pending = [];

function flush() {
  for (let rest = Buffer.from(text); rest.length > 0;)
    rest = rest.subarray(fs.writeSync(1, rest));
  text = '';
}

async function answered() {
  const some = pending;
  pending = [];
  await Promise.all(some);
}

async function end() {
  flush();
  await answered();
  process.exit(0);
}

function take(db, table, op, row) {
  if (left === 0)
    return;
  left--;
  if (redis) {
    pending.push(redis.set(`${db}:${table}:${row.id}`, JSON.stringify(row)));
  } else {
    text += JSON.stringify({ db, table, op, row }) + '\n';
    if (text.length > PIECE)
      flush();
  }
  if (left === 0)
    end();
}

const zongji = new ZongJi({ host: '127.0.0.1', port: Number(port), user: 'repl', password: 'repl' });
zongji.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
zongji.on('binlog', (event) => {
  const op = { writerows: 'insert', updaterows: 'update', deleterows: 'delete' }[event.getEventName()];
  if (op === undefined)
    return;
  const table = event.tableMap[event.tableId];
  for (const row of event.rows)
    take(table.parentSchema, table.tableName, op, op === 'update' ? row.after : row);
  if (redis && pending.length > UNANSWERED) {
    zongji.connection.pause();
    answered().then(() => zongji.connection.resume());
  }
});
if (redis)
  await redis.connect();
zongji.start({
  serverId: 38000, filename: file, position: 4,
  includeEvents: ['tablemap', 'writerows', 'updaterows', 'deleterows'],
});
