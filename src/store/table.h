/* SPDX-License-Identifier: MIT
 *
 * The tables: for each kind of row its statements, and how its struct is
 * bound to one and read from another. The only place that knows columns.
 */
#ifndef WARREN_STORE_TABLE_H
#define WARREN_STORE_TABLE_H

#include "store/store.h"
#include "store/store_service.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first three have a table for each DHT: see store_kind_of. */
enum store_kind {
    STORE_NODES,
    STORE_MAINLINE_NODES,
    STORE_ANNOUNCEMENTS,
    STORE_MAINLINE_ANNOUNCEMENTS,
    STORE_ITEMS,
    STORE_MAINLINE_ITEMS,
    STORE_RELAYS,
    STORE_SETTINGS,
    STORE_SERVICE_POINTS,
    STORE_SERVICE_SEQS,
    STORE_VANGUARDS,
    STORE_KINDS
};

/* `first` is the kind of STORE_DHT. */
static inline enum store_kind store_kind_of(enum store_kind first,
                                            enum store_dht dht)
{
    return (enum store_kind)(first + dht);
}

enum store_op {
    STORE_PUT,    /* insert or replace */
    STORE_REMOVE, /* ?1 is the key, here and below */
    STORE_FIND,   /* the row of a key, in the columns of STORE_LIST */
    STORE_COUNT,
    STORE_LIST, /* ?1 is the longest list */
    STORE_OPS
};

/* The longest keys are those of settings and of introduction points. */
struct store_key {
    uint8_t len;
    uint8_t b[STORE_SETTING_KEY];
};

/* The others are in store.h and store_service.h. */
struct store_setting {
    char key[STORE_SETTING_KEY];
    uint16_t len;
    uint8_t value[STORE_SETTING_BYTES];
};

struct store_table {
    const char *sql[STORE_OPS];
    size_t row_size;
    bool text_key;
    struct store_key (*key)(const void *row);
    /* Binds all parameters of STORE_PUT, as views of `row`; a result code. */
    int (*bind)(sqlite3_stmt *st, const void *row, int64_t batch);
    /* False when a column is not what bind writes. */
    bool (*read)(sqlite3_stmt *st, void *row);
};

extern const struct store_table store_tables[STORE_KINDS];

struct store_key store_key_of(const void *p, size_t len);

/* Binds ?1 as a view of `key`; a result code. */
int store_bind_key(sqlite3_stmt *st, enum store_kind kind,
                   const struct store_key *key);

#endif
