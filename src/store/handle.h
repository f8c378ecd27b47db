/* SPDX-License-Identifier: MIT
 *
 * The store's state, shared by the files that make up store.h.
 */
#ifndef WARREN_STORE_HANDLE_H
#define WARREN_STORE_HANDLE_H

#include "store/queue.h"
#include "store/store.h"
#include "store/table.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Statements that belong to no kind of row; their SQL is in store.c. */
enum store_extra {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_PRUNE,
    STORE_PRUNE_MAINLINE,
    STORE_EXTRAS
};

struct store {
    sqlite3 *db;
    struct store_options options; /* without zeros */
    struct store_queue queue;
    sqlite3_stmt *tables[STORE_KINDS][STORE_OPS];
    sqlite3_stmt *extras[STORE_EXTRAS];
    int64_t rows[STORE_KINDS];  /* as of the last flush */
    int64_t batch;              /* of the next flush */
    int64_t wall;               /* the last one given */
    bool reading;               /* inside store_each_* */
    struct store_health health; /* all but what is counted elsewhere */
};

/* Records a failure that the database has just reported, before anything else
 * is asked of it; returns `err`. `what` begins the sentence. */
enum error store_failed(struct store *s, const char *what, enum error err);

#endif
