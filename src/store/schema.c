/* SPDX-License-Identifier: MIT
 *
 * The schema as the list of its migrations. A new column or table is a
 * migration at the end of it, a line of schema_probe, and what table.c says of
 * it.
 */
#include "store/schema.h"

#include "store/sql.h"

/* Rows are small and found by one key, so every table is its own index
 * (WITHOUT ROWID): there is no second structure that could disagree with it.
 *
 * node.batch orders nodes by when they were written, because the wall clock
 * cannot be trusted to: it is the number of the flush.
 * item.key is NULL for an immutable item. What belongs to the mainline DHT has
 * tables of its own, so that each DHT has its caps, and an endpoint or a hash
 * may be in both.
 * Keys of service_point and service_seq are the name of the service, a zero,
 * and the identity of the relay or access and period, 4 bytes each;
 * vanguard.relays is up to 16 times identity 32, since 8, until 8. */
const char *const schema_migrations[] = {
    "PRAGMA application_id = 0x7772726e;"
    "CREATE TABLE setting ("
    "  key TEXT PRIMARY KEY NOT NULL,"
    "  value BLOB NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE node ("
    "  endpoint BLOB PRIMARY KEY NOT NULL,"
    "  id BLOB NOT NULL,"
    "  last_seen INTEGER NOT NULL,"
    "  batch INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "PRAGMA user_version = 1;",

    "CREATE TABLE announcement ("
    "  info_hash BLOB PRIMARY KEY NOT NULL,"
    "  port INTEGER NOT NULL,"
    "  implied_port INTEGER NOT NULL,"
    "  since INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE item ("
    "  target BLOB PRIMARY KEY NOT NULL,"
    "  value BLOB NOT NULL,"
    "  since INTEGER NOT NULL,"
    "  key BLOB,"
    "  signature BLOB,"
    "  seq INTEGER,"
    "  salt BLOB"
    ") WITHOUT ROWID;"
    "PRAGMA user_version = 2;",

    "CREATE TABLE relay ("
    "  identity BLOB PRIMARY KEY NOT NULL,"
    "  text BLOB NOT NULL,"
    "  first_seen INTEGER NOT NULL,"
    "  last_seen INTEGER NOT NULL,"
    "  guard_since INTEGER NOT NULL,"
    "  guard_until INTEGER NOT NULL,"
    "  rtt INTEGER NOT NULL,"
    "  capacity INTEGER NOT NULL,"
    "  failures INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "PRAGMA user_version = 3;",

    "ALTER TABLE relay ADD COLUMN measured_at INTEGER NOT NULL DEFAULT 0;"
    "PRAGMA user_version = 4;",

    "CREATE TABLE service_point ("
    "  key BLOB PRIMARY KEY NOT NULL,"
    "  handshake_key BLOB NOT NULL,"
    "  endpoint BLOB NOT NULL,"
    "  salt BLOB NOT NULL,"
    "  since INTEGER NOT NULL,"
    "  until INTEGER NOT NULL,"
    "  introductions INTEGER NOT NULL,"
    "  period INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE service_seq ("
    "  key BLOB PRIMARY KEY NOT NULL,"
    "  seq INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE vanguard ("
    "  service BLOB PRIMARY KEY NOT NULL,"
    "  relays BLOB NOT NULL"
    ") WITHOUT ROWID;"
    "PRAGMA user_version = 5;",

    "CREATE TABLE mainline_node ("
    "  endpoint BLOB PRIMARY KEY NOT NULL,"
    "  id BLOB NOT NULL,"
    "  last_seen INTEGER NOT NULL,"
    "  batch INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE mainline_announcement ("
    "  info_hash BLOB PRIMARY KEY NOT NULL,"
    "  port INTEGER NOT NULL,"
    "  implied_port INTEGER NOT NULL,"
    "  since INTEGER NOT NULL,"
    "  seed INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "ALTER TABLE announcement ADD COLUMN seed INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE mainline_item ("
    "  target BLOB PRIMARY KEY NOT NULL,"
    "  value BLOB NOT NULL,"
    "  since INTEGER NOT NULL,"
    "  key BLOB,"
    "  signature BLOB,"
    "  seq INTEGER,"
    "  salt BLOB"
    ") WITHOUT ROWID;"
    "PRAGMA user_version = 6;",
};

const int schema_version =
    sizeof(schema_migrations) / sizeof(schema_migrations[0]);

const char *const schema_probe =
    "SELECT key, value FROM setting LIMIT 0;"
    "SELECT endpoint, id, last_seen, batch FROM node LIMIT 0;"
    "SELECT info_hash, port, implied_port, since, seed FROM announcement "
    "LIMIT 0;"
    "SELECT target, value, since, key, signature, seq, salt FROM item LIMIT 0;"
    "SELECT identity, text, first_seen, last_seen, guard_since, guard_until, "
    "rtt, capacity, failures, measured_at FROM relay LIMIT 0;"
    "SELECT key, handshake_key, endpoint, salt, since, until, introductions, "
    "period FROM service_point LIMIT 0;"
    "SELECT key, seq FROM service_seq LIMIT 0;"
    "SELECT service, relays FROM vanguard LIMIT 0;"
    "SELECT endpoint, id, last_seen, batch FROM mainline_node LIMIT 0;"
    "SELECT info_hash, port, implied_port, since, seed "
    "FROM mainline_announcement LIMIT 0;"
    "SELECT target, value, since, key, signature, seq, salt FROM mainline_item "
    "LIMIT 0;";

static enum error run_one(sqlite3 *db, const char *migration)
{
    enum error err = sql_exec(db, "BEGIN IMMEDIATE");

    if (err == OK)
        err = sql_exec(db, migration);
    if (err == OK)
        err = sql_exec(db, "COMMIT");
    return err;
}

enum error schema_migrate(sqlite3 *db, const char *const *migrations,
                          int version, int target)
{
    for (; version < target; version++) {
        enum error err = run_one(db, migrations[version]);

        /* No ROLLBACK: the caller wants the message of the failure, and
         * closing the connection rolls back. */
        if (err != OK)
            return err;
    }
    return OK;
}
