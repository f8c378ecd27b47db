/* SPDX-License-Identifier: MIT
 *
 * What a node remembers between runs, in one SQLite file (`warren.db`, WAL):
 * DHT nodes it has met, its own announcements, its own items to republish,
 * relays of the tunnels and which of them are guards, what its hidden services
 * need to be the same after a restart, and small settings. This floor alone
 * knows SQL; nothing here calls a clock: wall seconds (Unix time)
 * come from the caller.
 *
 * Writing. store_put_* and store_remove_* only queue, coalesced per key: the
 * last call for a key wins. store_flush writes the queue in one transaction;
 * the node calls it by a timer and before store_close. What a call queued is
 * safe from `kill -9` once a store_flush after it has returned OK: a kill
 * loses at most the queue, never the file. A power cut may in addition lose
 * the flushes since the last checkpoint (about 1 MiB of writes, at the latest
 * since the last clean close), because WAL with synchronous=NORMAL syncs at
 * checkpoints only; it never leaves half of a flush, nor a broken file if the
 * disk keeps its word about syncing.
 *
 * Reading. store_each_* shows what has been flushed; store_get_setting sees
 * the queue too. Rows of a wrong shape are skipped and counted.
 *
 * Trouble. While the disk is full, failing or locked, store_flush fails, the
 * queue keeps what it has (up to `queue_bytes`, oldest nodes dropped first and
 * counted), the next flush tries again, and store_get_health says so. Damage
 * that shows up while running is reported the same way; the next store_open
 * sets the file aside.
 *
 * Time. Wall times are hints, kept and given back as they came. A clock set
 * back makes nothing old or deleted: "newest" is decided by the order of
 * flushes, and by last_seen only within one flush.
 *
 * One process at a time: the file stays locked while it is open, so that it
 * needs no shared memory beside it. The node's own lock on its data directory
 * comes first; if another program has the file, store_open waits `busy_ms` and
 * fails with ERR_IN_USE, and other programs cannot read it while it is open.
 */
#ifndef WARREN_STORE_STORE_H
#define WARREN_STORE_STORE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/relay_record.h"
#include "wire/item/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_FILE_NAME     "warren.db"
#define STORE_NAME_SIZE     64  /* of a file that was set aside */
#define STORE_TEXT_SIZE     256 /* of a sentence for people */
#define STORE_KEY_SIZE      32
#define STORE_SIG_SIZE      64
#define STORE_SALT_MAX      64
#define STORE_RELAY_TEXT    512
#define STORE_SETTING_KEY   64  /* bytes with the terminator */
#define STORE_SETTING_BYTES 256 /* longest value */

/* The DHT that nodes, announcements and items belong to: each has rows and caps
 * of its own, and the same endpoint or hash may be in both. */
enum store_dht { STORE_DHT, STORE_MAINLINE, STORE_DHTS };

/* A node that answered us. The endpoint is the key: an id met under two
 * endpoints (families) is two nodes, an endpoint with a new id is one. */
struct store_node {
    struct id id;
    struct endpoint endpoint;
    int64_t last_seen; /* wall seconds */
};

/* Our own announcement; the info-hash is the key. */
struct store_announcement {
    struct id info_hash;
    uint16_t port;     /* 0 only with implied_port */
    bool implied_port; /* BEP 5: use the port that the datagram came from */
    int64_t since;     /* wall seconds */
    bool seed;         /* BEP 33: as a peer that has all of it */
};

/* Our own item, BEP 44; the target is the key. Of an immutable item only
 * target, value and since count. The store does not check the signature. */
struct store_item {
    struct id target;
    bool is_mutable;
    uint8_t key[STORE_KEY_SIZE]; /* Ed25519, public */
    uint8_t signature[STORE_SIG_SIZE];
    int64_t seq;
    uint8_t salt_len; /* 0..STORE_SALT_MAX */
    uint8_t salt[STORE_SALT_MAX];
    int64_t since; /* wall seconds */
    struct value value;
};

/* A relay of the tunnels; the identity is the key. `text` is its signed
 * descriptor, which the store does not look into. */
struct store_relay {
    uint8_t identity[STORE_KEY_SIZE];
    uint16_t text_len; /* 1..STORE_RELAY_TEXT */
    uint8_t text[STORE_RELAY_TEXT];
    struct relay_record record;
};

/* Caps; a field that is 0 takes the default. */
struct store_options {
    /* The first three are of each DHT. */
    size_t max_nodes; /* 10,000: the oldest go when it is exceeded */
    size_t max_announcements[STORE_DHTS]; /* 1,000: then ERR_FULL */
    size_t max_items[STORE_DHTS];         /* 1,000: then ERR_FULL */
    size_t max_relays;                    /* 5,000: then ERR_FULL */
    size_t max_settings;                  /* 256: then ERR_FULL */
    size_t max_services; /* 1,024 rows of services: then ERR_FULL */
    size_t queue_bytes;  /* 2 MiB of queued changes */
    uint32_t busy_ms;    /* 50: longest wait for another's lock */
    int64_t wall;        /* now; dates a file that is set aside */
};

enum store_how {
    STORE_OPENED,   /* the file was there and is sound */
    STORE_CREATED,  /* there was none */
    STORE_REPLACED, /* it was damaged: set aside, and a fresh one made */
};

/* What store_open did, for the log. `text` is always one sentence without a
 * full stop: what was done, or why it was not. */
struct store_report {
    enum store_how how;
    int schema_before;               /* version found; 0 when made fresh */
    int schema;                      /* version now */
    char set_aside[STORE_NAME_SIZE]; /* "warren.db.corrupt-20261122T101112",
                                        in the same directory, UTC */
    char text[STORE_TEXT_SIZE];
};

struct store;

/* Opens or makes `dir`/warren.db (mode 0600), checks it and brings its schema
 * up to date. `dir` must exist. The check is PRAGMA quick_check: it reads the
 * whole file, whose size the caps bound, and skips only the comparison of
 * indexes with their tables, of which this schema has none.
 * A file that is damaged, no database at all, or one that is not ours is
 * renamed with its -wal and -shm, and a fresh one is made: OK, with
 * report->how == STORE_REPLACED. An empty file counts as none: it is what a
 * kill during the first start leaves.
 * `options` may be NULL. `report` may be NULL; it is filled on failure too.
 * ERR_IO        the directory is missing, read-only, or not readable
 * ERR_UNSUPPORTED  the file is of a newer warren; it is left alone
 * ERR_IN_USE    another process has it locked
 * ERR_NO_SPACE  no room to make it (one that exists opens on a full disk)
 * ERR_NO_MEMORY */
enum error store_open(const char *dir, const struct store_options *options,
                      struct store **out, struct store_report *report);

/* Takes the caps of `options` in the place of those before. What is over
 * them stays; the rest of `options` does not count. */
void store_configure(struct store *s, const struct store_options *options);

/* Closes without flushing: what is queued is lost. NULL is legal. */
void store_close(struct store *s);

/* Queue one change, copied. ERR_FULL: no room in the queue, or the table is
 * at its cap and the key is new (removals count once they are flushed).
 * ERR_NO_MEMORY. Refused by the shape of the argument, with nothing queued:
 * ERR_RANGE     salt_len, a value or text of an impossible length, a time
 *               past INT64_MAX, or port 0 where a port is needed
 * ERR_TOO_LARGE a setting's key is empty or too long, or its value is too
 *               long
 * A node that finds no room is dropped and counted, and ERR_FULL returned:
 * nothing needs to be done about it. */
enum error store_put_node(struct store *s, enum store_dht dht,
                          const struct store_node *node);
enum error store_put_announcement(struct store *s, enum store_dht dht,
                                  const struct store_announcement *a);
enum error store_put_item(struct store *s, enum store_dht dht,
                          const struct store_item *item);
enum error store_put_relay(struct store *s, const struct store_relay *relay);
enum error store_put_setting(struct store *s, const char *key,
                             struct bytes value);

/* Queue a removal; of a key that is not there, it does nothing. */
enum error store_remove_node(struct store *s, enum store_dht dht,
                             const struct endpoint *endpoint);
enum error store_remove_announcement(struct store *s, enum store_dht dht,
                                     const struct id *info_hash);
enum error store_remove_item(struct store *s, enum store_dht dht,
                             const struct id *target);
enum error store_remove_relay(struct store *s,
                              const uint8_t identity[STORE_KEY_SIZE]);
enum error store_remove_setting(struct store *s, const char *key);

/* Writes all that is queued in one transaction and prunes nodes over the cap.
 * With nothing queued it does nothing and returns OK without touching the
 * disk, unless the last flush failed. On failure everything stays queued.
 * Takes about 3 ms for 1,000 nodes; one in several also waits for the disk to
 * sync, which a slow disk makes the longest pause of the event loop.
 * `wall` only dates store_health.failing_since.
 * ERR_NO_SPACE, ERR_IO, ERR_IN_USE, ERR_CORRUPT, ERR_NO_MEMORY. */
enum error store_flush(struct store *s, int64_t wall);

/* Calls `each` for what has been flushed: nodes newest first (see the top),
 * at most `limit`; relays likewise, guards first and then by last_seen;
 * announcements and items in the order of their keys. The
 * argument is valid during the call only; `each` may queue changes, but not
 * flush, read or close. Errors as store_flush; some rows may have been shown
 * before one. */
enum error store_each_node(struct store *s, enum store_dht dht, size_t limit,
                           void (*each)(void *ctx, const struct store_node *),
                           void *ctx);
enum error store_each_announcement(
    struct store *s, enum store_dht dht,
    void (*each)(void *ctx, const struct store_announcement *), void *ctx);
enum error store_each_item(struct store *s, enum store_dht dht,
                           void (*each)(void *ctx, const struct store_item *),
                           void *ctx);
enum error store_each_relay(struct store *s, size_t limit,
                            void (*each)(void *ctx, const struct store_relay *),
                            void *ctx);

/* Whether there is one, on disk or queued. */
bool store_has_announcement(struct store *s, enum store_dht dht,
                            const struct id *info_hash);
bool store_has_item(struct store *s, enum store_dht dht,
                    const struct id *target);

/* Whether the last change of it is queued: the next start finds the one before,
 * unless a flush returns OK until then. */
bool store_queues_announcement(const struct store *s, enum store_dht dht,
                               const struct id *info_hash);
bool store_queues_item(const struct store *s, enum store_dht dht,
                       const struct id *target);

/* Copies a setting into `buf` and its length into `len`. ERR_NOT_FOUND;
 * ERR_NO_SPACE when it is longer than `cap` (STORE_SETTING_BYTES always
 * suffices); errors of store_flush. */
enum error store_get_setting(struct store *s, const char *key, uint8_t *buf,
                             size_t cap, size_t *len);

struct store_health {
    bool ok;                    /* false from a failure to the next success */
    enum error error;           /* of the last failure; OK if there was none */
    int64_t failing_since;      /* wall seconds; 0 while ok */
    char text[STORE_TEXT_SIZE]; /* of the last failure, kept after it */
    uint64_t flushes;           /* transactions written */
    uint64_t failures;          /* flushes and reads that failed */
    uint64_t dropped;           /* changes that found no room in the queue */
    uint64_t pruned;            /* nodes removed over the cap */
    uint64_t skipped;           /* rows of a wrong shape met when reading */
    size_t queued;              /* changes waiting */
    size_t queued_bytes;
    /* Rows, as of the last flush. */
    size_t nodes[STORE_DHTS];
    size_t announcements[STORE_DHTS];
    size_t items[STORE_DHTS];
    size_t relays;
    size_t settings;
    size_t services; /* of all three kinds */
};

void store_get_health(const struct store *s, struct store_health *out);

#endif
